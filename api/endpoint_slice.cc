#include "api/endpoint_slice.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"
#include "api/object_reference_schema.h"

namespace keelson::api {

template <>
struct Schema<EndpointConditions> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("ready", c.ready);
    v("serving", c.serving);
    v("terminating", c.terminating);
  }
};

template <>
struct Schema<EndpointHints> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v.wrapped("forZones", c.for_zones, "name");
    v.wrapped("forNodes", c.for_nodes, "name");
  }
};

template <>
struct Schema<Endpoint> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("addresses", c.addresses, kAlways);
    v("conditions", c.conditions);
    v("hostname", c.hostname);
    v("targetRef", c.target_ref);
    v("deprecatedTopology", c.deprecated_topology);
    v("nodeName", c.node_name);
    v("zone", c.zone);
    v("hints", c.hints);
  }
};

template <>
struct Schema<EndpointPort> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("protocol", c.protocol);
    v("port", c.port);
    v("appProtocol", c.app_protocol);
  }
};

template <>
struct KindOf<EndpointSlice> {
  static constexpr std::string_view kApiVersion = "discovery.k8s.io/v1";
  static constexpr std::string_view kKind = "EndpointSlice";
};

template <>
struct Schema<EndpointSlice> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("addressType", c.address_type, kAlways);
    v("endpoints", c.endpoints, kAlways);
    v("ports", c.ports, kAlways);
  }
};

KEELSON_API_INSTANTIATE(EndpointSlice);

}  // namespace keelson::api
