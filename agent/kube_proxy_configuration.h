// KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1): the fields that act here.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::agent {

// A plain value. The other fields of the kind are accepted and have no effect.
// https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
struct KubeProxyConfiguration {
  std::string mode;  // "" and nftables, or iptables
  std::vector<std::string>
      node_port_addresses;           // prefixes of single addresses; "primary" and none: all local ones
  bool masquerade_all = false;       // of the mode in use
  bool localhost_node_ports = true;  // iptables only
  std::string healthz_bind_address = "0.0.0.0:10256";    // "": off
  std::string metrics_bind_address = "127.0.0.1:10249";  // "": off
  bool usesIptables() const { return mode == "iptables"; }
};

// A wrong type is kInvalidArgument with the field's name; an unknown field is a warning, as upstream.
Result<KubeProxyConfiguration> decodeKubeProxyConfiguration(const json::value& document,
                                                            std::vector<std::string>& warnings);
void validateKubeProxyConfiguration(const KubeProxyConfiguration& configuration, ErrorList& errors);

// "0.0.0.0:10256", "[::1]:10249".
struct BindAddress {
  std::string host;
  uint16_t port = 0;
};
Result<BindAddress> parseBindAddress(const std::string& text);

}  // namespace keelson::agent
