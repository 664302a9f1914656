// KeelsonConfiguration (keelson.dev/v1alpha1): what Kubernetes has no field for.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::agent {

// One entry of KeelsonConfiguration.registries.
struct RegistryEntry {
  std::string host;
  std::vector<std::string> mirrors;  // "http://127.0.0.1:5000", tried in order before the host itself
  bool plain_http = false;
  std::string ca_file;
};

// A plain value. An unknown field is an error: nobody else's files have this kind.
struct KeelsonConfiguration {
  std::string run_dir = "/run/keelson";
  std::string state_dir = "/var/lib/keelson";
  std::string socket;  // "": <runDir>/keelson.sock
  std::string shim;    // "": beside the daemon
  std::string bridge = "cni0";
  int32_t mtu = 0;  // 0: that of the default route's link
  std::vector<std::string> cluster_cidrs{"10.244.0.0/16"};
  std::vector<RegistryEntry> registries;
  std::string log_level = "info";
  std::string container_logs_dir = "/var/log/containers";
  bool serve_services = true;  // false: another proxy (kube-proxy) programs Service addresses on this node
  // How often collections are listed when watches do not get through to the API server (a proxy that
  // buffers); "" never gives up watching.
  std::string watch_fallback_poll_interval;
  Duration watchFallbackPollInterval() const;  // 0 is off; the text must be valid
};

Result<KeelsonConfiguration> decodeKeelsonConfiguration(const json::value& document);
void validateKeelsonConfiguration(const KeelsonConfiguration& configuration, ErrorList& errors);

}  // namespace keelson::agent
