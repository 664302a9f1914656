// The files that a pod gets from its node: hosts, resolv.conf, hostname. All pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/pod.h"
#include "base/result.h"

namespace keelson::kubelet {

struct PodHostname {
  std::string host;    // short name
  std::string domain;  // subdomain.ns.svc.D or ""
  std::string kernel;  // what the UTS namespace gets: host, or host.domain with setHostnameAsFQDN
};

// kInvalidArgument when an FQDN wanted as hostname exceeds 64 characters (sethostname(2)).
Result<PodHostname> podHostname(const api::Pod& pod, const std::string& cluster_domain);

// /etc/hosts. `node_hosts` is the node's own file, copied for pods on the host's network.
std::string renderHosts(const api::Pod& pod, const PodHostname& hostname,
                        const std::vector<std::string>& pod_ips, std::string_view node_hosts);

struct DnsFacts {
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::string node_file;         // text of the node's resolv.conf; unused when `node_file_unset`
  bool node_file_unset = false;  // resolvConf: "" in the configuration
};

struct ResolvConf {
  std::string text;
  struct Note {
    std::string reason;  // MissingClusterDNS, DNSConfigForming
    std::string message;
  };
  std::vector<Note> notes;  // Warning events
};

// resolv.conf(5) by dnsPolicy and dnsConfig, within Kubernetes' limits.
// https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
ResolvConf renderResolvConf(const api::Pod& pod, const DnsFacts& facts);

inline constexpr size_t kMaxNameservers = 3;
inline constexpr size_t kMaxSearches = 32;
inline constexpr size_t kMaxSearchLine = 2048;
inline constexpr size_t kMaxSearch = 253;
inline constexpr size_t kMaxNodeFileBytes = size_t{1} << 20;

}  // namespace keelson::kubelet
