// How to reach registries; filled in by the agent's configuration.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace keelson::runtime {

// One registry host. Mirrors are asked first, in order, without the credentials of the registry they
// stand for; a mirror is "host[:port]" or "http(s)://host[:port]" and may have an entry of its own.
struct RegistryHost {
  std::vector<std::string> mirrors;
  bool plain_http = false;   // speak http:// to it; loopback addresses need no permission
  std::string ca_file;       // PEM bundle to trust for it instead of the system's
  bool skip_verify = false;  // TLS without checking who answers: for laboratories
};

// By the host as it stands in image names and mirrors: "docker.io", "registry.local:5000".
struct RegistryOptions {
  std::map<std::string, RegistryHost> hosts;
};

}  // namespace keelson::runtime
