#include "kubelet/downward_api.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace keelson::kubelet {
namespace {

std::string first(const std::vector<std::string>& list) { return list.empty() ? "" : list.front(); }

// "metadata.labels['key']" -> key; nullopt if `path` is not of that form.
std::optional<std::string> subscript(const std::string& path, const std::string& prefix) {
  const std::string open = prefix + "['";
  if (path.rfind(open, 0) != 0 || path.size() < open.size() + 2) return std::nullopt;
  if (path.compare(path.size() - 2, 2, "']") != 0) return std::nullopt;
  return path.substr(open.size(), path.size() - open.size() - 2);
}

std::string lookUp(const api::StringMap& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

// As Go's strconv.Quote, but for letters outside of ASCII that Go takes for unprintable.
std::string goQuoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\v':
        out += "\\v";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
          out += fmt::format("\\x{:02x}", byte);
        } else {
          out += c;
        }
      }
    }
  }
  return out + "\"";
}

}  // namespace

std::string renderStringMap(const api::StringMap& map) {
  std::string text;
  for (const auto& [key, value] : map) {
    if (!text.empty()) text += '\n';
    text += key + "=" + goQuoted(value);
  }
  return text;
}

Result<std::string> downwardField(const api::Pod& pod, const std::string& path, const DownwardFacts& facts) {
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "metadata.labels") return renderStringMap(pod.metadata.labels);
  if (path == "metadata.annotations") return renderStringMap(pod.metadata.annotations);
  // "spec.host" is the old name of nodeName.
  if (path == "spec.nodeName" || path == "spec.host") return pod.spec.node_name;
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  if (path == "status.hostIP") return first(facts.host_ips);
  if (path == "status.hostIPs") return fmt::format("{}", fmt::join(facts.host_ips, ","));
  if (path == "status.podIP") return first(facts.pod_ips);
  if (path == "status.podIPs") return fmt::format("{}", fmt::join(facts.pod_ips, ","));
  if (const auto key = subscript(path, "metadata.labels")) return lookUp(pod.metadata.labels, *key);
  if (const auto key = subscript(path, "metadata.annotations")) return lookUp(pod.metadata.annotations, *key);
  return makeError(Code::kInvalidArgument, "unsupported fieldPath: {}", path);
}

Result<std::string> downwardResource(const api::Pod& pod, const api::Container& container,
                                     const api::ResourceFieldSelector& field, const DownwardFacts& facts) {
  const api::Container* of = &container;
  if (!field.container_name.empty() && field.container_name != container.name) {
    of = nullptr;
    for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
      for (const auto& other : *list) {
        if (other.name == field.container_name) of = &other;
      }
    }
    if (of == nullptr)
      return makeError(Code::kInvalidArgument, "container {} not found", field.container_name);
  }
  const size_t dot = field.resource.find('.');
  const std::string side = field.resource.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : field.resource.substr(dot + 1);
  if (name.empty() || (side != "limits" && side != "requests")) {
    return makeError(Code::kInvalidArgument, "unsupported container resource: {}", field.resource);
  }
  const api::ResourceList& list = side == "limits" ? of->resources.limits : of->resources.requests;
  const auto found = list.find(name);
  api::Quantity quantity;
  if (found != list.end()) {
    quantity = found->second;
  } else if (side == "limits" && name == "cpu") {
    quantity = api::Quantity::ofMilli(facts.node_cpu.value);
  } else if (side == "limits" && name == "memory") {
    quantity = api::Quantity::of(facts.node_memory.value);
  }
  // Kubernetes counts cpu in thousandths here and everything else in whole units; both rounded up.
  const bool cpu = name == "cpu";
  const api::Quantity one = api::Quantity::of(1);
  const api::Quantity& divisor = field.divisor && !field.divisor->isZero() ? *field.divisor : one;
  const int64_t amount = cpu ? quantity.milliValue() : quantity.value();
  const int64_t unit = std::max<int64_t>(1, cpu ? divisor.milliValue() : divisor.value());
  return std::to_string(amount / unit + (amount % unit != 0 ? 1 : 0));
}

}  // namespace keelson::kubelet
