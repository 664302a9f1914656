#include "tests/fakes/api_server/selectors.h"

#include <algorithm>
#include <map>
#include <set>

#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {
namespace {

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

// Splits at commas outside parentheses.
std::vector<std::string> parts(std::string_view text) {
  std::vector<std::string> found(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      found.emplace_back();
    } else {
      found.back() += c;
    }
  }
  for (auto& part : found) part = trimmed(part);
  return found;
}

Outcome<api::LabelSelectorRequirement> parseRequirement(const std::string& text) {
  const auto bad = [&] {
    return badRequest("unable to parse requirement: invalid label selector: \"" + text + "\"");
  };
  for (const auto& [word, meaning] :
       {std::pair{" notin ", "NotIn"}, {" in ", "In"}, {" notin(", "NotIn"}, {" in(", "In"}}) {
    const auto at = text.find(word);
    if (at == text.npos) continue;
    const auto open = text.find('(', at), close = text.rfind(')');
    if (open == text.npos) {
      const auto found = trimmed(text.substr(at + std::string_view(word).size()));
      return badRequest(fmt::format("unable to parse requirement: found '{}' expected: '('",
                                    found.substr(0, found.find(' '))));
    }
    if (close == text.npos || close < open) return bad();
    return api::LabelSelectorRequirement{trimmed(text.substr(0, at)), meaning,
                                         parts(text.substr(open + 1, close - open - 1))};
  }
  for (const auto& [word, meaning] : {std::pair{"!=", "NotIn"}, {"==", "In"}, {"=", "In"}}) {
    const auto at = text.find(word);
    if (at == text.npos) continue;
    auto key = trimmed(text.substr(0, at));
    if (key.empty()) return bad();
    return api::LabelSelectorRequirement{
        std::move(key), meaning, {trimmed(text.substr(at + std::string_view(word).size()))}};
  }
  if (text.empty() || text.find_first_of(" ()") != text.npos) return bad();
  if (text[0] == '!') return api::LabelSelectorRequirement{trimmed(text.substr(1)), "DoesNotExist", {}};
  return api::LabelSelectorRequirement{text, "Exists", {}};
}

// A field of the new events as it is kept (watch.h: kept()).
std::string keptField(const ResourceName& resource, const std::string& field) {
  if (resource.group != "events.k8s.io") return field;
  if (field.starts_with("regarding.")) return "involvedObject." + field.substr(sizeof("regarding.") - 1);
  return field == "reportingController" ? "reportingComponent" : field;
}

// The fields that upstream's strategies and conversions offer.
bool canSelect(const ResourceName& resource, const std::string& field) {
  static const std::map<std::string, std::set<std::string>> kFields = {
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"}},
      {"nodes", {"spec.unschedulable"}},
      {"namespaces", {"status.phase"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"certificatesigningrequests", {"spec.signerName"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}}};
  if (field == "metadata.name" || field == "metadata.namespace") return true;
  const auto found = kFields.find(resource.plural);
  return found != kFields.end() && found->second.count(field) != 0;
}

std::string fieldText(const json::object& object, const std::string& field) {
  if (field == "source") {
    const auto component = textAt(object, "source.component");
    return component.empty() ? textAt(object, "reportingComponent") : component;
  }
  if (field == "spec.hostNetwork" || field == "spec.unschedulable")
    return flagAt(object, field) ? "true" : "false";
  if (field == "status.podIPs") return textAt(object, "status.podIP");
  return textAt(object, field);
}

}  // namespace

bool Filter::matches(const json::object& object) const {
  if (!name_space.empty() && textAt(object, "metadata.namespace") != name_space) return false;
  for (const auto& requirement : fields) {
    if ((fieldText(object, requirement.field) == requirement.value) != requirement.equal) return false;
  }
  if (labels.match_labels.empty() && labels.match_expressions.empty()) return true;
  api::StringMap have;
  if (const auto* found = find(object, "metadata.labels"); found != nullptr && found->is_object()) {
    for (const auto& [key, value] : found->get_object()) {
      if (value.is_string()) have[std::string(key)] = std::string(value.get_string());
    }
  }
  return api::matchesLabels(labels, have);
}

Outcome<api::LabelSelector> parseLabelSelector(std::string_view text) {
  api::LabelSelector selector;
  if (trimmed(text).empty()) return selector;
  for (const auto& part : parts(text)) selector.match_expressions.push_back(TRY(parseRequirement(part)));
  return selector;
}

Outcome<std::vector<FieldRequirement>> parseFieldSelector(std::string_view text,
                                                          const ResourceName& resource) {
  std::vector<FieldRequirement> all;
  if (text.empty()) return all;
  for (const auto& part : parts(text)) {
    if (part.empty()) continue;
    const auto at = part.find('=');
    if (at == part.npos || at == 0) {
      return badRequest(fmt::format("invalid selector: '{}'; can't understand '{}'", text, part));
    }
    FieldRequirement requirement;
    requirement.equal = part[at - 1] != '!';
    requirement.field = part.substr(0, requirement.equal ? at : at - 1);
    const bool twice = at + 1 < part.size() && part[at + 1] == '=';
    const auto value = part.substr(at + (twice ? 2 : 1));
    for (size_t i = 0; i < value.size(); ++i) {  // "\," "\=" "\\"
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      requirement.value += value[i];
    }
    const auto stored = keptField(resource, requirement.field);
    if (!canSelect(resource, stored)) {
      return badRequest("field label not supported: " + requirement.field);
    }
    requirement.field = stored;
    all.push_back(std::move(requirement));
  }
  return all;
}

}  // namespace keelson::fakes
