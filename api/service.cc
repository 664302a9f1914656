#include "api/service.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

template <>
struct Schema<ServicePort> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("protocol", c.protocol);
    v("appProtocol", c.app_protocol);
    v("port", c.port, kAlways);
    v("targetPort", c.target_port);
    v("nodePort", c.node_port);
  }
};

template <>
struct Schema<ServiceSpec> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("ports", c.ports);
    v("selector", c.selector);
    v.first("clusterIP", c.cluster_ips);
    v("clusterIPs", c.cluster_ips);
    v("type", c.type);
    v("externalIPs", c.external_ips);
    v("sessionAffinity", c.session_affinity);
    v("loadBalancerIP", c.load_balancer_ip);
    v("loadBalancerSourceRanges", c.load_balancer_source_ranges);
    v("externalName", c.external_name);
    v("externalTrafficPolicy", c.external_traffic_policy);
    v("healthCheckNodePort", c.health_check_node_port);
    v("publishNotReadyAddresses", c.publish_not_ready_addresses);
    v.object("sessionAffinityConfig", [&](V& config) {
      config.object("clientIP", [&](V& client) { client("timeoutSeconds", c.client_ip_timeout_seconds); });
    });
    v("ipFamilies", c.ip_families);
    v("ipFamilyPolicy", c.ip_family_policy);
    v("allocateLoadBalancerNodePorts", c.allocate_load_balancer_node_ports);
    v("loadBalancerClass", c.load_balancer_class);
    v("internalTrafficPolicy", c.internal_traffic_policy);
    v("trafficDistribution", c.traffic_distribution);
  }
};

template <>
struct Schema<LoadBalancerIngress> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("ip", c.ip);
    v("hostname", c.hostname);
    v("ipMode", c.ip_mode);
    v.ignored({"ports"});
  }
};

template <>
struct Schema<ServiceStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v.object("loadBalancer", [&](V& balancer) { balancer("ingress", c.load_balancer_ingress); });
    v.ignored({"conditions"});
  }
};

template <>
struct KindOf<Service> {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Service";
};

template <>
struct Schema<Service> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("spec", c.spec);
    v("status", c.status);
  }
};

KEELSON_API_INSTANTIATE(Service);

}  // namespace keelson::api
