// Amounts that containers ask for: in a Pod's spec and again in its status.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/quantity.h"

namespace keelson::api {

using ResourceList = std::map<std::string, Quantity>;  // "cpu", "memory", "ephemeral-storage", ...

struct ResourceClaim {
  std::string name;
  std::string request;
  bool operator==(const ResourceClaim&) const = default;
};

struct ResourceRequirements {
  ResourceList limits;
  ResourceList requests;
  std::vector<ResourceClaim> claims;
  bool operator==(const ResourceRequirements&) const = default;
};

}  // namespace keelson::api
