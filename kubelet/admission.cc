#include "kubelet/admission.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>

#include "api/selector.h"
#include "kubelet/restart.h"

namespace keelson::kubelet {
namespace {

Admission rejected(std::string reason, const std::string& message) {
  return {false, std::move(reason), "Pod was rejected: " + message};
}

int64_t amount(const api::ResourceList& list, const std::string& resource) {
  const auto found = list.find(resource);
  if (found == list.end()) return 0;
  return resource == "cpu" ? found->second.milliValue() : found->second.value();
}

// ---- AppArmor ----

bool wantsAppArmor(const std::optional<api::SecurityProfile>& profile) {
  return profile && profile->type != "Unconfined";
}

bool wantsAppArmor(const api::PodSpec& spec) {
  if (wantsAppArmor(spec.security_context.app_armor_profile)) return true;
  for (const auto* list : {&spec.init_containers, &spec.containers}) {
    for (const auto& container : *list) {
      if (container.security_context && wantsAppArmor(container.security_context->app_armor_profile))
        return true;
    }
  }
  return false;
}

// ---- sysctls (ADM-07) ----

enum class SysctlNamespace { kIpc, kNet };
struct SafeSysctl {
  std::string_view name;
  SysctlNamespace scope;
};

// https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls
constexpr std::array kSafeSysctls = {
    SafeSysctl{"kernel.shm_rmid_forced", SysctlNamespace::kIpc},
    SafeSysctl{"net.ipv4.ip_local_port_range", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_syncookies", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.ping_group_range", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.ip_unprivileged_port_start", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.ip_local_reserved_ports", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_keepalive_time", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_fin_timeout", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_keepalive_intvl", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_keepalive_probes", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_rmem", SysctlNamespace::kNet},
    SafeSysctl{"net.ipv4.tcp_wmem", SysctlNamespace::kNet},
};

// "" if allowed, else why not.
std::string sysctlProblem(const api::PodSpec& spec, const std::string& written) {
  const std::string name = sysctlDots(written);
  for (const auto& safe : kSafeSysctls) {
    if (safe.name != name) continue;
    if (safe.scope == SysctlNamespace::kIpc && spec.host_ipc) {
      return fmt::format("\"{}\" not allowed with host ipc enabled", name);
    }
    if (safe.scope == SysctlNamespace::kNet && spec.host_network) {
      return fmt::format("\"{}\" not allowed with host net enabled", name);
    }
    return "";
  }
  return fmt::format("\"{}\" not allowlisted", name);
}

// ---- host ports ----

struct HostPort {
  std::string ip;
  std::string protocol;
  int32_t port = 0;
};

bool collides(const HostPort& a, const HostPort& b) {
  const auto any = [](const std::string& ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; };
  return a.port == b.port && a.protocol == b.protocol && (any(a.ip) || any(b.ip) || a.ip == b.ip);
}

std::vector<HostPort> hostPorts(const api::PodSpec& spec) {
  std::vector<HostPort> ports;
  const auto add = [&](const api::Container& container) {
    for (const auto& port : container.ports) {
      // With the host's network every port of a container is one of the host.
      const int32_t number = port.host_port != 0 ? port.host_port
                             : spec.host_network ? port.container_port
                                                 : 0;
      if (number != 0) ports.push_back({port.host_ip, port.protocol, number});
    }
  };
  for (const auto& container : spec.init_containers) {
    if (initKind(container) == ContainerKind::kSidecar) add(container);
  }
  for (const auto& container : spec.containers) add(container);
  return ports;
}

// ---- resources ----

std::optional<Admission> fits(const std::string& resource, int64_t wanted, int64_t used, int64_t capacity) {
  if (wanted == 0 || wanted <= capacity - used) return std::nullopt;
  return rejected("OutOf" + resource,
                  fmt::format("Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
                              resource, wanted, used, capacity));
}

std::set<std::string> hugePages(const api::PodSpec& spec) {
  std::set<std::string> names;
  for (const auto* list : {&spec.init_containers, &spec.containers}) {
    for (const auto& container : *list) {
      for (const auto& [name, quantity] : container.resources.requests) {
        if (name.rfind("hugepages-", 0) == 0) names.insert(name);
      }
    }
  }
  return names;
}

std::optional<Admission> resourcesFit(const api::Pod& pod, const NodeFacts& node,
                                      const std::vector<api::PodPtr>& others) {
  const auto pods = static_cast<int64_t>(others.size());
  if (auto no = fits("pods", 1, pods, node.max_pods)) return no;
  const auto check = [&](const std::string& resource, int64_t capacity) {
    int64_t used = 0;
    for (const auto& other : others) used += podRequest(other->spec, resource);
    return fits(resource, podRequest(pod.spec, resource), used, capacity);
  };
  if (auto no = check("cpu", node.cpu.value)) return no;
  if (auto no = check("memory", node.memory.value)) return no;
  // No huge page is handed out here, so a pod that needs them has no place on this node.
  for (const auto& name : hugePages(pod.spec)) {
    if (auto no = check(name, 0)) return no;
  }
  return std::nullopt;
}

}  // namespace

std::string sysctlDots(const std::string& name) {
  // The first separator decides; the other one is then part of a name (net/ipv4/conf/eth0.1/...).
  const size_t first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '.') return name;
  std::string out = name;
  for (char& c : out) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return out;
}

int64_t podRequest(const api::PodSpec& spec, const std::string& resource) {
  int64_t apps = 0;
  for (const auto& container : spec.containers) apps += amount(container.resources.requests, resource);
  int64_t sidecars = 0;
  int64_t largest_init = 0;
  for (const auto& container : spec.init_containers) {
    const int64_t own = amount(container.resources.requests, resource);
    if (initKind(container) == ContainerKind::kSidecar) {
      sidecars += own;
      largest_init = std::max(largest_init, sidecars);
    } else {
      largest_init = std::max(largest_init, sidecars + own);
    }
  }
  int64_t total = std::max(apps + sidecars, largest_init);
  if (spec.resources && spec.resources->requests.count(resource)) {
    total = amount(spec.resources->requests, resource);
  }
  return total + amount(spec.overhead, resource);
}

Admission admitPod(const api::Pod& pod, const NodeFacts& node, const std::vector<api::PodPtr>& others) {
  const auto os_label = pod.metadata.labels.find("kubernetes.io/os");
  if (os_label != pod.metadata.labels.end() && os_label->second != "linux") {
    return rejected("PodOSSelectorNodeLabelDoesNotMatch",
                    "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label");
  }
  if (pod.spec.os_name && *pod.spec.os_name != "linux") {
    return rejected("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS");
  }
  for (const auto& sysctl : pod.spec.security_context.sysctls) {
    const std::string problem = sysctlProblem(pod.spec, sysctl.name);
    if (!problem.empty()) return rejected("SysctlForbidden", "forbidden sysctl: " + problem);
  }
  if (wantsAppArmor(pod.spec)) {
    return rejected("AppArmor", "Cannot enforce AppArmor: AppArmor profiles are not served by this node");
  }
  if (auto no = resourcesFit(pod, node, others)) return *no;
  if (!api::matchesNode(pod.spec, node.name, node.labels)) {
    return rejected("NodeAffinity",
                    "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  }
  if (!pod.spec.node_name.empty() && pod.spec.node_name != node.name) {
    return rejected("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name");
  }
  const std::vector<HostPort> ports = hostPorts(pod.spec);
  for (const auto& other : others) {
    for (const auto& taken : hostPorts(other->spec)) {
      for (const auto& port : ports) {
        if (collides(port, taken)) {
          return rejected(
              "NodePorts",
              "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports");
        }
      }
    }
  }
  return {};
}

}  // namespace keelson::kubelet
