// A machine and its settings, for tests of the Node.
#pragma once

#include "base/clock.h"
#include "kubelet/node/node_input.h"

namespace keelson::kubelet::node {

inline WallTime at(const char* text) { return parseTime(text).value(); }
inline IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

inline NodeInput exampleInput() {
  NodeInput input;
  input.settings.name = "node1";
  input.settings.server_port = 10250;
  input.facts.machine_id = "0123456789abcdef";
  input.facts.system_uuid = "uuid-1";
  input.facts.boot_id = "boot-1";
  input.facts.kernel_version = "6.1.0";
  input.facts.os_image = "Debian GNU/Linux 12 (bookworm)";
  input.facts.architecture = "amd64";
  input.facts.cpus = 4;
  input.facts.memory = Bytes{int64_t{8} << 30};
  input.facts.root_filesystem = Bytes{int64_t{100} << 30};
  input.facts.pids = 32768;
  input.addresses = {ip("192.0.2.10")};
  return input;
}

}  // namespace keelson::kubelet::node
