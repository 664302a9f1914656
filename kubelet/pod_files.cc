#include "kubelet/pod_files.h"

#include <fmt/ranges.h>

namespace keelson::kubelet {
namespace {

constexpr size_t kMaxHostname = 63;  // a DNS label
constexpr size_t kMaxFqdn = 64;      // __NEW_UTS_LEN

std::string shortName(const api::Pod& pod) {
  if (!pod.spec.hostname.empty()) return pod.spec.hostname;
  std::string name = pod.metadata.name.substr(0, kMaxHostname);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

}  // namespace

Result<PodHostname> podHostname(const api::Pod& pod, const std::string& cluster_domain) {
  PodHostname made;
  if (pod.spec.hostname_override) {
    made.host = made.kernel = *pod.spec.hostname_override;
    return made;
  }
  made.host = made.kernel = shortName(pod);
  if (!pod.spec.subdomain.empty()) {
    made.domain = fmt::format("{}.{}.svc.{}", pod.spec.subdomain, pod.metadata.namespace_, cluster_domain);
  }
  if (pod.spec.set_hostname_as_fqdn.value_or(false) && !made.domain.empty()) {
    made.kernel = made.host + "." + made.domain;
    if (made.kernel.size() > kMaxFqdn) {
      return makeError(
          Code::kInvalidArgument,
          "Failed to construct FQDN from pod hostname and cluster domain, FQDN {} is too long ({} "
          "characters is the max, {} characters requested)",
          made.kernel, kMaxFqdn, made.kernel.size());
    }
  }
  return made;
}

std::string renderHosts(const api::Pod& pod, const PodHostname& hostname,
                        const std::vector<std::string>& pod_ips, std::string_view node_hosts) {
  std::string text;
  if (pod.spec.host_network) {
    text = "# Kubernetes-managed hosts file (host network).\n";
    text += node_hosts;
  } else {
    text =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    for (const auto& ip : pod_ips) {
      text += hostname.domain.empty()
                  ? fmt::format("{}\t{}\n", ip, hostname.host)
                  : fmt::format("{}\t{}.{}\t{}\n", ip, hostname.host, hostname.domain, hostname.host);
    }
  }
  if (pod.spec.host_aliases.empty()) return text;
  text += "\n# Entries added by HostAliases.\n";
  for (const auto& alias : pod.spec.host_aliases) {
    text += fmt::format("{}\t{}\n", alias.ip, fmt::join(alias.hostnames, "\t"));
  }
  return text;
}

}  // namespace keelson::kubelet
