#include "api/selector.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace keelson::api {
namespace {

// strconv.ParseInt(text, 10, 64): an optional sign and digits.
std::optional<int64_t> parseInt(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool contains(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool matchesTerm(const NodeSelectorTerm& term, const std::string& node_name, const StringMap& node_labels) {
  if (term.match_expressions.empty() && term.match_fields.empty()) return false;
  const StringMap fields{{"metadata.name", node_name}};
  return std::all_of(term.match_expressions.begin(), term.match_expressions.end(),
                     [&](const auto& one) { return matchesRequirement(one, node_labels); }) &&
         std::all_of(term.match_fields.begin(), term.match_fields.end(), [&](const auto& one) {
           return fields.contains(one.key) && matchesRequirement(one, fields);
         });
}

}  // namespace

bool matchesLabels(const StringMap& selector, const StringMap& labels) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& want) {
    const auto found = labels.find(want.first);
    return found != labels.end() && found->second == want.second;
  });
}

bool matchesLabels(const LabelSelector& selector, const StringMap& labels) {
  return matchesLabels(selector.match_labels, labels) &&
         std::all_of(selector.match_expressions.begin(), selector.match_expressions.end(),
                     [&](const auto& one) {
                       if (one.operator_ == "Gt" || one.operator_ == "Lt")
                         return false;  // of node selectors only
                       return matchesRequirement({one.key, one.operator_, one.values}, labels);
                     });
}

bool matchesRequirement(const NodeSelectorRequirement& requirement, const StringMap& labels) {
  const auto found = labels.find(requirement.key);
  const bool present = found != labels.end();
  const std::string& op = requirement.operator_;
  if (op == "In") return present && contains(requirement.values, found->second);
  if (op == "NotIn") return !present || !contains(requirement.values, found->second);
  if (op == "Exists") return present;
  if (op == "DoesNotExist") return !present;
  if ((op != "Gt" && op != "Lt") || !present || requirement.values.size() != 1) return false;
  const auto label = parseInt(found->second);
  const auto bound = parseInt(requirement.values.front());
  if (!label || !bound) return false;
  return op == "Gt" ? *label > *bound : *label < *bound;
}

bool matchesNode(const PodSpec& spec, const std::string& node_name, const StringMap& node_labels) {
  if (!matchesLabels(spec.node_selector, node_labels)) return false;
  if (!spec.required_node_affinity) return true;
  return std::any_of(spec.required_node_affinity->begin(), spec.required_node_affinity->end(),
                     [&](const auto& term) { return matchesTerm(term, node_name, node_labels); });
}

}  // namespace keelson::api
