// What this machine is.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"

namespace keelson::agent {

struct NodeInfo {
  std::string host_name;  // lower case, as node names must be
  Bytes memory;
  Millicpu cpu;
  std::vector<IpAddress> addresses;  // of the default route's link, v4 first; empty without a route
};

Result<NodeInfo> readNodeInfo();

}  // namespace keelson::agent
