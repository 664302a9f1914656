// Which labels a selector means, and which nodes a pod allows.
#pragma once

#include <string>
#include <vector>

#include "api/object_meta.h"
#include "api/pod.h"

namespace keelson::api {

struct LabelSelectorRequirement {
  std::string key;
  std::string operator_;  // In, NotIn, Exists, DoesNotExist
  std::vector<std::string> values;
  bool operator==(const LabelSelectorRequirement&) const = default;
};

struct LabelSelector {
  StringMap match_labels;
  std::vector<LabelSelectorRequirement> match_expressions;
  bool operator==(const LabelSelector&) const = default;
};

// All pure; all parts of a selector must hold. An empty selector matches everything, as in
// Kubernetes; an unknown operator matches nothing.
bool matchesLabels(const StringMap& selector, const StringMap& labels);
bool matchesLabels(const LabelSelector& selector, const StringMap& labels);

// Gt and Lt compare integers and match nothing if either side is none. An absent label matches
// NotIn and DoesNotExist.
bool matchesRequirement(const NodeSelectorRequirement& requirement, const StringMap& labels);

// nodeSelector and the required node affinity of a pod against a node: terms are ORed, a term without
// expressions matches nothing; matchFields knows metadata.name.
bool matchesNode(const PodSpec& spec, const std::string& node_name, const StringMap& node_labels);

}  // namespace keelson::api
