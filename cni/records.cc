#include "cni/records.h"

#include <algorithm>

#include "base/json.h"
#include "base/sha256.h"

namespace keelson::cni {
namespace {

constexpr int kVersion = 1;
constexpr size_t kMaxRecordsText = size_t{16} << 20;
constexpr size_t kMaxAlias = 255;   // IFALIASZ - 1
constexpr size_t kNameDigits = 11;  // "veth" and these fill IFNAMSIZ - 1
constexpr std::string_view kAliasMark = "keelson-pod ";

// "" speaks for both families, "0.0.0.0" and "::" for theirs.
bool covers(const std::string& any, IpFamily family) {
  return any.empty() || (any == "0.0.0.0" && family == IpFamily::kV4) ||
         (any == "::" && family == IpFamily::kV6);
}

// The scheduler's rule (pkg/scheduler/framework HostPortInfo): an address that means all collides with each,
// other addresses and other protocols stand side by side.
bool collide(const PortMapping& a, const PortMapping& b) {
  if (a.protocol != b.protocol || a.host_port != b.host_port) return false;
  if (a.host_ip == b.host_ip || a.host_ip.empty() || b.host_ip.empty()) return true;
  if (isAnyHost(a.host_ip) && isAnyHost(b.host_ip)) return false;  // "0.0.0.0" beside "::"
  const auto left = IpAddress::parse(a.host_ip), right = IpAddress::parse(b.host_ip);
  if (!left || !right) return false;
  if (isAnyHost(a.host_ip)) return covers(a.host_ip, right->family);
  if (isAnyHost(b.host_ip)) return covers(b.host_ip, left->family);
  return *left == *right;
}

std::string portText(const PortMapping& port) {
  return fmt::format("host port {}/{}{}", port.host_port, port.protocol,
                     port.host_ip.empty() ? "" : " on " + port.host_ip);
}

Result<void> checkPorts(const Records& records, const Reservation& want) {
  for (size_t i = 0; i < want.ports.size(); ++i) {
    const auto& port = want.ports[i];
    if (!protocolNumber(port.protocol))
      return makeError(Code::kInvalidArgument, "{}: protocol is not TCP, UDP or SCTP", portText(port));
    if (port.host_port == 0 || port.container_port == 0)
      return makeError(Code::kInvalidArgument, "{} to {}: a port is 1 to 65535", portText(port),
                       port.container_port);
    if (!port.host_ip.empty()) TRY_CTX(IpAddress::parse(port.host_ip), "{}", portText(port));
    for (size_t j = 0; j < i; ++j)
      if (collide(want.ports[j], port))
        return makeError(Code::kAlreadyExists, "{} is named twice by pod {}", portText(port), want.full_name);
  }
  for (const auto& [uid, pod] : records.pods) {
    if (uid == want.uid) continue;
    for (const auto& mine : want.ports)
      for (const auto& theirs : pod.ports)
        if (collide(mine, theirs))
          return makeError(Code::kAlreadyExists, "{} is taken by pod {}", portText(mine), pod.full_name);
  }
  return {};
}

std::set<IpAddress> addressesInUse(const Records& records) {
  std::set<IpAddress> used;
  for (const auto& [uid, pod] : records.pods) used.insert(pod.addresses.begin(), pod.addresses.end());
  return used;
}

std::optional<IpAddress> ofRange(const std::vector<IpAddress>& addresses, const AddressRange& range) {
  const auto found = std::find_if(addresses.begin(), addresses.end(),
                                  [&](const IpAddress& address) { return isAssignable(range, address); });
  if (found == addresses.end()) return {};
  return *found;
}

bool nameTaken(const Records& records, const PodUid& uid, const std::string& name) {
  return std::any_of(records.pods.begin(), records.pods.end(),
                     [&](const auto& entry) { return entry.first != uid && entry.second.host_link == name; });
}

json::array texts(const std::vector<IpAddress>& addresses) {
  json::array out;
  for (const auto& address : addresses) out.emplace_back(address.str());
  return out;
}

std::vector<IpAddress> parseAddresses(const json::array& values) {
  std::vector<IpAddress> out;
  for (const auto& value : values) {
    auto address = IpAddress::parse(json::value_to<std::string>(value));
    if (!address) throw std::invalid_argument(address.error().text);
    out.push_back(*address);
  }
  return out;
}

PodRecord parsePod(const json::object& object) {
  PodRecord pod;
  const auto text = [](const json::object& in, const char* key) {
    return json::value_to<std::string>(in.at(key));
  };
  pod.uid = PodUid(text(object, "uid"));
  pod.full_name = text(object, "name");
  pod.addresses = parseAddresses(object.at("addresses").as_array());
  pod.host_link = text(object, "link");
  for (const auto& value : object.at("ports").as_array()) {
    const auto& port = value.as_object();
    pod.ports.push_back({text(port, "protocol"), json::value_to<uint16_t>(port.at("host_port")),
                         json::value_to<uint16_t>(port.at("container_port")), text(port, "host_ip")});
  }
  if (pod.uid.empty() || pod.host_link.empty()) throw std::invalid_argument("a pod without uid or link");
  return pod;
}

}  // namespace

std::optional<uint8_t> protocolNumber(std::string_view name) {
  if (name == "TCP") return uint8_t{6};
  if (name == "UDP") return uint8_t{17};
  if (name == "SCTP") return uint8_t{132};
  return {};
}

bool isAnyHost(const std::string& host_ip) {
  return host_ip.empty() || host_ip == "0.0.0.0" || host_ip == "::";
}

Result<PodRecord> planReservation(const Records& records, const std::vector<AddressRange>& ranges,
                                  const Reservation& want) {
  TRY(checkPorts(records, want));
  if (const auto known = records.pods.find(want.uid); known != records.pods.end()) {
    PodRecord record = known->second;
    record.full_name = want.full_name;
    record.ports = want.ports;
    return record;
  }
  PodRecord record{want.uid, want.full_name, {}, {}, want.ports};
  const auto used = addressesInUse(records);
  for (const auto& range : ranges) {
    const auto present = ofRange(want.present, range);
    if (present && !used.contains(*present))
      record.addresses.push_back(*present);
    else
      record.addresses.push_back(TRY(planAddress(range, used, ofRange(records.last, range))));
  }
  int attempt = 0;
  do {
    record.host_link = hostLinkName(want.uid, attempt++);
  } while (nameTaken(records, want.uid, record.host_link));
  return record;
}

std::string hostLinkName(const PodUid& uid, int attempt) {
  const std::string digest = sha256Hex(fmt::format("{}/{}", uid.str(), attempt));
  return "veth" + digest.substr(0, kNameDigits);
}

std::string renderAlias(const PodRecord& record) {
  std::string addresses;
  for (const auto& address : record.addresses) addresses += (addresses.empty() ? "" : ",") + address.str();
  std::string alias = fmt::format("{}{} {} {}", kAliasMark, record.uid.str(), addresses, record.full_name);
  if (alias.size() > kMaxAlias) alias.resize(kMaxAlias);
  return alias;
}

std::optional<PodRecord> parseAlias(std::string_view alias, const std::string& link_name) {
  if (!alias.starts_with(kAliasMark)) return {};
  alias.remove_prefix(kAliasMark.size());
  const auto word = [&] {
    const size_t end = std::min(alias.find(' '), alias.size());
    std::string text(alias.substr(0, end));
    alias.remove_prefix(std::min(end + 1, alias.size()));
    return text;
  };
  PodRecord record;
  record.uid = PodUid(word());
  record.host_link = link_name;
  std::string list = word();
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const auto address = IpAddress::parse(list.substr(at, end - at));
    if (!address) return {};
    record.addresses.push_back(*address);
    at = end + 1;
  }
  record.full_name = std::string(alias);
  if (record.uid.empty() || record.addresses.empty()) return {};
  return record;
}

std::string renderRecords(const Records& records, std::string_view boot) {
  json::array pods;
  for (const auto& [uid, pod] : records.pods) {
    json::array ports;
    for (const auto& port : pod.ports)
      ports.push_back({{"protocol", port.protocol},
                       {"host_port", port.host_port},
                       {"container_port", port.container_port},
                       {"host_ip", port.host_ip}});
    pods.push_back({{"uid", uid.str()},
                    {"name", pod.full_name},
                    {"addresses", texts(pod.addresses)},
                    {"link", pod.host_link},
                    {"ports", std::move(ports)}});
  }
  return prettyJson(json::object{{"version", kVersion},
                                 {"boot", std::string(boot)},
                                 {"last", texts(records.last)},
                                 {"pods", std::move(pods)}});
}

Result<Records> parseRecords(std::string_view text, std::string_view boot) {
  const auto value = TRY(parseJson(text, kMaxRecordsText));
  try {
    const auto& root = value.as_object();
    if (json::value_to<int>(root.at("version")) != kVersion)
      return makeError(Code::kDataLoss, "version is not {}", kVersion);
    Records records;
    records.last = parseAddresses(root.at("last").as_array());
    if (json::value_to<std::string>(root.at("boot")) != boot) return records;
    for (const auto& item : root.at("pods").as_array()) {
      auto pod = parsePod(item.as_object());
      auto uid = pod.uid;
      records.pods.insert_or_assign(std::move(uid), std::move(pod));
    }
    return records;
  } catch (const std::exception& error) {
    return makeError(Code::kDataLoss, "{}", error.what());
  }
}

}  // namespace keelson::cni
