// Service: what a proxy must know.
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/int_or_string.h"
#include "api/object_meta.h"

namespace keelson::api {

struct ServicePort {
  std::string name;
  std::string protocol = "TCP";
  std::optional<std::string> app_protocol;
  int32_t port = 0;
  IntOrString target_port;
  int32_t node_port = 0;
  bool operator==(const ServicePort&) const = default;
};

struct ServiceSpec {
  std::vector<ServicePort> ports;
  StringMap selector;
  std::vector<std::string> cluster_ips;  // reported as clusterIP and clusterIPs; "None" is headless
  std::string type = "ClusterIP";        // ClusterIP, NodePort, LoadBalancer, ExternalName
  std::vector<std::string> external_ips;
  std::string session_affinity;  // "", None, ClientIP
  std::optional<int32_t> client_ip_timeout_seconds;
  std::string load_balancer_ip;
  std::vector<std::string> load_balancer_source_ranges;
  std::optional<std::string> load_balancer_class;
  std::optional<bool> allocate_load_balancer_node_ports;
  std::string external_name;
  std::string external_traffic_policy;  // "", Cluster, Local
  std::string internal_traffic_policy;  // "", Cluster, Local
  int32_t health_check_node_port = 0;
  bool publish_not_ready_addresses = false;
  std::vector<std::string> ip_families;  // IPv4, IPv6
  std::string ip_family_policy;
  std::string traffic_distribution;
  bool operator==(const ServiceSpec&) const = default;
};

struct LoadBalancerIngress {
  std::string ip;
  std::string hostname;
  std::string ip_mode;  // "", VIP, Proxy
  bool operator==(const LoadBalancerIngress&) const = default;
};

struct ServiceStatus {
  std::vector<LoadBalancerIngress> load_balancer_ingress;
  bool operator==(const ServiceStatus&) const = default;
};

// A plain value, shared as const. Any thread.
struct Service {
  ObjectMeta metadata;
  ServiceSpec spec;
  ServiceStatus status;
  bool operator==(const Service&) const = default;
};

}  // namespace keelson::api
