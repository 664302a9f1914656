#include <algorithm>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

bool isHugePages(std::string_view name) { return name.starts_with("hugepages-"); }

bool isNative(std::string_view name) {
  return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

bool isOvercommitAllowed(std::string_view name) { return isNative(name) && !isHugePages(name); }

bool isExtended(std::string_view name) {
  return !isNative(name) && !name.starts_with("requests.") &&
         checkQualifiedName(fmt::format("requests.{}", name)).empty();
}

void validateName(const std::string& name, const FieldPath& path, FieldErrors& errors) {
  const NameErrors syntax = checkQualifiedName(name);
  if (!syntax.empty()) return errors.invalid(path, name, syntax);
  if (name.find('/') == std::string::npos) {
    const bool standard =
        name == "cpu" || name == "memory" || name == "ephemeral-storage" || isHugePages(name);
    if (!standard) errors.invalid(path, name, "must be a standard resource for containers");
  } else if (!isNative(name) && !isExtended(name)) {
    errors.invalid(path, name, "doesn't follow extended resource name standard");
  }
}

void validateAmount(const std::string& name, const Quantity& amount, const FieldPath& path,
                    FieldErrors& errors) {
  if (amount < Quantity()) errors.invalid(path, amount.str(), kMustNotBeNegative);
  const bool integer = !isNative(name) || isHugePages(name);
  if (integer && amount.milliValue() % 1000 != 0) errors.invalid(path, amount.str(), "must be an integer");
}

}  // namespace

void validateResources(const ResourceRequirements& resources, const FieldPath& path, FieldErrors& errors) {
  bool huge_pages = false;
  bool cpu_or_memory = false;
  const auto each = [&](const ResourceList& list, const FieldPath& list_path) {
    for (const auto& [name, amount] : list) {
      const FieldPath item = list_path.key(name);
      validateName(name, item, errors);
      validateAmount(name, amount, item, errors);
      huge_pages |= isHugePages(name);
      cpu_or_memory |= name == "cpu" || name == "memory";
    }
  };
  each(resources.limits, path.child("limits"));
  each(resources.requests, path.child("requests"));
  for (const auto& [name, request] : resources.requests) {
    const auto limit = resources.limits.find(name);
    if (limit == resources.limits.end()) {
      if (!isOvercommitAllowed(name)) {
        errors.required(path.child("limits"), "Limit must be set for non overcommitable resources");
      }
    } else if (!isOvercommitAllowed(name) && request != limit->second) {
      errors.invalid(path.child("requests"), request.str(),
                     fmt::format("must be equal to {} limit of {}", name, limit->second.str()));
    } else if (request > limit->second) {
      errors.invalid(path.child("requests"), request.str(),
                     fmt::format("must be less than or equal to {} limit of {}", name, limit->second.str()));
    }
  }
  if (huge_pages && !cpu_or_memory) errors.forbidden(path, "HugePages require cpu or memory");
}

void validatePodResources(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  if (!spec.resources) return;
  const ResourceRequirements& pod = *spec.resources;
  if (!pod.claims.empty())
    errors.forbidden(path.child("claims"), "claims cannot be set for Resources at pod-level");
  validateResources(pod, path, errors);
  ResourceList sum;
  for (const auto& container : spec.containers) {
    for (const auto& [name, amount] : container.resources.requests) sum[name] = sum[name] + amount;
  }
  for (const auto& [name, amount] : sum) {
    const auto have = pod.requests.find(name);
    const Quantity request = have == pod.requests.end() ? Quantity() : have->second;
    if (amount > request) {
      errors.invalid(
          path.child("requests").key(name), request.str(),
          fmt::format("must be greater than or equal to aggregate container requests of {}", amount.str()));
    }
  }
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    for (const auto& [name, amount] : spec.containers[i].resources.limits) {
      const auto limit = pod.limits.find(name);
      if (limit != pod.limits.end() && amount > limit->second) {
        errors.invalid(path.child("containers").index(i).key(name).child("limits"), amount.str(),
                       fmt::format("must be less than or equal to pod limits of {}", limit->second.str()));
      }
    }
  }
}

}  // namespace keelson::api
