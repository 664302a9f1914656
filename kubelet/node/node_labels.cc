#include "kubelet/node/node_labels.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "api/names.h"

namespace keelson::kubelet::node {
namespace {

// k8s.io/kubernetes/pkg/kubelet/apis: IsKubeletLabel, and the labels that a registration corrects.
constexpr std::array<std::string_view, 12> kWellKnown{
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
};
constexpr std::array<std::string_view, 2> kOwnPrefixes{"kubelet.kubernetes.io", "node.kubernetes.io"};

bool isWithin(std::string_view name_space, std::string_view parent) {
  return name_space == parent || (name_space.size() > parent.size() && name_space.ends_with(parent) &&
                                  name_space[name_space.size() - parent.size() - 1] == '.');
}

bool mayBeSet(const std::string& key) {
  const auto slash = key.find('/');
  if (slash == std::string::npos) return true;
  const std::string_view name_space = std::string_view(key).substr(0, slash);
  if (!isWithin(name_space, "kubernetes.io") && !isWithin(name_space, "k8s.io")) return true;
  if (isDefaultLabel(key)) return true;
  return std::any_of(kOwnPrefixes.begin(), kOwnPrefixes.end(),
                     [&](std::string_view own) { return isWithin(name_space, own); });
}

}  // namespace

bool isDefaultLabel(const std::string& key) {
  return std::find(kWellKnown.begin(), kWellKnown.end(), key) != kWellKnown.end();
}

api::StringMap buildNodeLabels(const NodeInput& input) {
  api::StringMap labels{
      {"kubernetes.io/hostname", input.settings.name},       {"kubernetes.io/os", "linux"},
      {"kubernetes.io/arch", input.facts.architecture},      {"beta.kubernetes.io/os", "linux"},
      {"beta.kubernetes.io/arch", input.facts.architecture},
  };
  for (const auto& [key, value] : input.settings.labels) labels.insert_or_assign(key, value);
  return labels;
}

Result<void> checkNodeLabels(const api::StringMap& labels) {
  std::string wrong;
  const auto add = [&wrong](const std::string& what) { wrong += (wrong.empty() ? "" : "; ") + what; };
  for (const auto& [key, value] : labels) {
    for (const auto& error : api::checkQualifiedName(key)) add(fmt::format("key \"{}\": {}", key, error));
    for (const auto& error : api::checkLabelValue(value))
      add(fmt::format("value \"{}\" of {}: {}", value, key, error));
    if (!mayBeSet(key)) {
      add(fmt::format(
          "\"{}\": in the kubernetes.io and k8s.io name spaces a node may set only the well-known "
          "labels and those of kubelet.kubernetes.io and node.kubernetes.io",
          key));
    }
  }
  if (wrong.empty()) return {};
  return makeError(Code::kInvalidArgument, "--node-labels: {}", wrong);
}

}  // namespace keelson::kubelet::node
