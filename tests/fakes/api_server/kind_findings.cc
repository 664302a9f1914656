#include <algorithm>

#include "api/base64.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/kind_rules.h"
#include "tests/fakes/api_server/pki.h"

namespace keelson::fakes {
namespace {

using Causes = std::vector<FieldCause>;

FieldCause required(std::string field) { return {"FieldValueRequired", std::move(field), "Required value"}; }
FieldCause forbiddenAt(std::string field, std::string_view why) {
  return {"FieldValueForbidden", std::move(field), fmt::format("Forbidden: {}", why)};
}
FieldCause invalidAt(std::string field, std::string_view value, std::string_view why) {
  return {"FieldValueInvalid", std::move(field),
          fmt::format("Invalid value: {}: {}", json::serialize(json::value(value)), why)};
}

bool isLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool isDnsLabel(std::string_view text) {
  if (text.empty() || text.size() > 63 || !isLowerAlnum(text.front()) || !isLowerAlnum(text.back()))
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return isLowerAlnum(c) || c == '-'; });
}

bool isDnsSubdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find('.', at), text.size());
    const auto part = text.substr(at, end - at);
    if (part.empty() || !isLowerAlnum(part.front()) || !isLowerAlnum(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) { return isLowerAlnum(c) || c == '-'; }))
      return false;
    at = end + 1;
  }
  return true;
}

void checkName(const json::object& object, const ResourceType& type, Causes& causes) {
  const auto& plural = type.name.plural;
  const auto name = textAt(object, "metadata.name");
  if (plural == "namespaces" || plural == "services") {
    if (!isDnsLabel(name)) {
      causes.push_back(
          invalidAt("metadata.name", name,
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                    "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
                    "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
    }
    return;
  }
  if (plural == "events" || plural == "certificatesigningrequests") return;  // any path segment
  if (isDnsSubdomain(name)) return;
  causes.push_back(invalidAt(
      "metadata.name", name,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
      "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
}

// validation.IsConfigMapKey of the data of config maps and secrets.
void checkKeys(const json::object& object, Causes& causes) {
  for (const char* field : {"data", "binaryData"}) {
    const auto* data = find(object, field);
    if (data == nullptr || !data->is_object()) continue;
    for (const auto& [key, value] : data->get_object()) {
      const std::string_view text = key;
      const bool fine =
          !text.empty() && text.size() <= 253 && text != "." && text != ".." &&
          std::all_of(text.begin(), text.end(), [](char c) {
            return isLowerAlnum(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
          });
      if (fine) continue;
      causes.push_back(
          invalidAt(fmt::format("{}[{}]", field, text), text,
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                    "'[-._a-zA-Z0-9]+')"));
    }
  }
}

// ValidateSecret: what a type demands of the data.
void checkSecret(const json::object& secret, Causes& causes) {
  const auto type = textAt(secret, "type");
  for (const auto& [of, key] : {std::pair{"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
                                {"kubernetes.io/dockercfg", ".dockercfg"}}) {
    if (type != of) continue;
    const auto* data = find(secret, "data");
    const auto* value = data != nullptr && data->is_object() ? data->get_object().if_contains(key) : nullptr;
    const auto field = fmt::format("data[{}]", key);
    if (value == nullptr) {
      causes.push_back(required(field));
      continue;
    }
    const auto bytes = api::decodeBase64(value->is_string() ? std::string(value->get_string()) : "");
    if (!bytes || !parseJson(*bytes))
      causes.push_back(invalidAt(field, "<secret contents redacted>", "invalid character"));
  }
}

// pkg/apis/core/validation/events.go: the strict rules are those of the new group.
void checkEvent(const json::object& event, Causes& causes) {
  if (find(event, "eventTime") == nullptr) causes.push_back(required("eventTime"));
  for (const auto& [kept, told] : {std::pair{"reportingComponent", "reportingController"},
                                   {"reportingInstance", "reportingInstance"},
                                   {"action", "action"},
                                   {"reason", "reason"}}) {
    if (textAt(event, kept).empty()) causes.push_back(required(told));
  }
  if (const auto type = textAt(event, "type"); type != "Normal" && type != "Warning")
    causes.push_back(invalidAt("type", "", "has invalid value: " + type));
}

void checkSigningRequest(const json::object& csr, Causes& causes) {
  const auto text = textAt(csr, "spec.request");
  const auto pem = api::decodeBase64(text);
  if (!pem || !Pki::readRequest(*pem))
    causes.push_back(invalidAt("spec.request", text, "PEM block type must be CERTIFICATE REQUEST"));
  const auto* usages = find(csr, "spec.usages");
  if (usages == nullptr || !usages->is_array() || usages->get_array().empty())
    causes.push_back(required("spec.usages"));
  const auto signer = textAt(csr, "spec.signerName");
  if (signer.empty()) {
    causes.push_back(required("spec.signerName"));
  } else if (signer.find('/') == signer.npos) {
    causes.push_back(invalidAt("spec.signerName", signer,
                               "must be a fully qualified domain and path of the form"
                               " \"example.com/signer-name\""));
  }
  const auto life = numberAt(csr, "spec.expirationSeconds", 600);
  if (life < 600) {
    causes.push_back({"FieldValueInvalid", "spec.expirationSeconds",
                      fmt::format("Invalid value: {}: may not specify a duration less than 600 seconds (10 "
                                  "minutes)",
                                  life)});
  }
}

void checkCidrFamilies(const json::object& node, Causes& causes) {
  const auto* cidrs = find(node, "spec.podCIDRs");
  if (cidrs == nullptr || !cidrs->is_array()) return;
  int v4 = 0, v6 = 0;
  for (const auto& each : cidrs->get_array()) {
    const bool colon = each.is_string() && each.get_string().find(':') != std::string::npos;
    ++(colon ? v6 : v4);
  }
  if (v4 > 1 || v6 > 1) {
    causes.push_back({"FieldValueInvalid", "spec.podCIDRs",
                      fmt::format("Invalid value: {}: may specify no more than one CIDR for each IP family",
                                  json::serialize(*cidrs))});
  }
}

void checkNodeChange(const json::object& was, const json::object& now, Causes& causes) {
  const auto id = textAt(was, "spec.providerID");
  if (!id.empty() && id != textAt(now, "spec.providerID")) {
    causes.push_back(
        forbiddenAt("spec.providerID", "node updates may not change providerID except from \"\" to valid"));
  }
  checkCidrFamilies(now, causes);
  const auto *before = find(was, "spec.podCIDRs"), *after = find(now, "spec.podCIDRs");
  if (before != nullptr && before->is_array() && !before->get_array().empty() &&
      (after == nullptr || *before != *after)) {
    causes.push_back(
        forbiddenAt("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid"));
  }
}

void checkDataChange(const json::object& was, const json::object& now, bool secret, Causes& causes) {
  for (const char* field : {"data", "binaryData", "type"}) {
    const bool frozen = flagAt(was, "immutable") || (secret && std::string_view(field) == "type");
    const auto *before = find(was, field), *after = find(now, field);
    const bool same = (before == nullptr) == (after == nullptr) && (before == nullptr || *before == *after);
    if (frozen && !same && !flagAt(was, "immutable")) {
      causes.push_back(invalidAt(field, textAt(now, field), "field is immutable"));
    } else if (frozen && !same) {
      causes.push_back(forbiddenAt(field, "field is immutable when `immutable` is set"));
      return;
    }
  }
}

// What was decided stays: validateCertificateSigningRequestUpdate.
void checkDecision(const json::object& was, const json::object& now, Causes& causes) {
  const auto has = [](const json::object& csr, std::string_view type) {
    const auto* list = find(csr, "status.conditions");
    return list != nullptr && list->is_array() &&
           std::any_of(list->get_array().begin(), list->get_array().end(), [&](const json::value& each) {
             return each.is_object() && textAt(each.get_object(), "type") == type;
           });
  };
  for (const char* type : {"Approved", "Denied", "Failed"}) {
    if (has(was, type) && !has(now, type)) {
      causes.push_back(forbiddenAt("status.conditions",
                                   fmt::format("updates may not remove a condition of type \"{}\"", type)));
    }
  }
  if (has(now, "Approved") && has(now, "Denied")) {
    causes.push_back(
        invalidAt("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive"));
  }
}

// metav1.MicroTime: "2006-01-02T15:04:05.000000Z07:00", six digits and no others.
std::string timeProblem(const json::object& object, std::string_view path) {
  const auto* value = find(object, path);
  if (value == nullptr || value->is_null()) return "";
  const auto text = value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.dddddd";
  bool fine = text.size() > kShape.size() && value->is_string();
  for (size_t i = 0; fine && i < kShape.size(); ++i)
    fine = kShape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
  const auto zone = fine ? text.substr(kShape.size()) : "";
  if (fine && (zone == "Z" || (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-')))) return "";
  return fmt::format(
      "parsing time \"{}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{}\" as \".000000\"", text,
      text.size() > 19 ? text.substr(19) : text);
}

std::string textsProblem(const json::object& object, const char* field, const ResourceType& type) {
  const auto* data = find(object, field);
  if (data == nullptr || !data->is_object()) return "";
  for (const auto& [key, value] : data->get_object()) {
    if (value.is_string() || value.is_null()) continue;
    const char* found = value.is_number() ? "number" : value.is_bool() ? "bool" : "object";
    return fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type string", found,
                       type.name.kind, field);
  }
  return "";
}

}  // namespace

std::string decodeProblem(const json::object& object, const ResourceType& type) {
  std::string problem;
  const auto& plural = type.name.plural;
  if (plural == "configmaps" || plural == "secrets") {
    for (const char* field : {"data", "stringData", "binaryData"})
      if (problem.empty()) problem = textsProblem(object, field, type);
  }
  for (const char* path : {"spec.renewTime", "spec.acquireTime"})
    if (plural == "leases" && problem.empty()) problem = timeProblem(object, path);
  for (const char* path : {"eventTime", "series.lastObservedTime"})
    if (plural == "events" && problem.empty()) problem = timeProblem(object, path);
  return problem;
}

std::vector<FieldCause> findings(const json::object& object, const ResourceType& type) {
  Causes causes;
  const auto& plural = type.name.plural;
  checkName(object, type, causes);
  if (plural == "configmaps" || plural == "secrets") checkKeys(object, causes);
  if (plural == "secrets") checkSecret(object, causes);
  if (type.name.group == "events.k8s.io") checkEvent(object, causes);
  if (plural == "certificatesigningrequests") checkSigningRequest(object, causes);
  return causes;
}

std::vector<FieldCause> changeFindings(const json::object& was, const json::object& now,
                                       const ResourceType& type) {
  Causes causes;
  const auto& plural = type.name.plural;
  if (plural == "nodes") checkNodeChange(was, now, causes);
  if (plural == "configmaps" || plural == "secrets") checkDataChange(was, now, plural == "secrets", causes);
  if (plural == "certificatesigningrequests") checkDecision(was, now, causes);
  return causes;
}

}  // namespace keelson::fakes
