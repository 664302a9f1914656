// EndpointSlice (discovery.k8s.io/v1): the addresses behind a service.
// https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/object_meta.h"
#include "api/object_reference.h"

namespace keelson::api {

// The label that names the service of a slice.
inline constexpr char kServiceNameLabel[] = "kubernetes.io/service-name";

// nullopt is "unknown": for ready and serving it is to be read as true, for terminating as false.
struct EndpointConditions {
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;
  bool operator==(const EndpointConditions&) const = default;
};

struct EndpointHints {
  std::vector<std::string> for_zones;
  std::vector<std::string> for_nodes;
  bool operator==(const EndpointHints&) const = default;
};

struct Endpoint {
  std::vector<std::string> addresses;  // consumers use the first alone
  EndpointConditions conditions;
  std::optional<std::string> hostname;
  std::optional<ObjectReference> target_ref;
  StringMap deprecated_topology;
  std::optional<std::string> node_name;
  std::optional<std::string> zone;
  std::optional<EndpointHints> hints;
  bool operator==(const Endpoint&) const = default;
};

// nullopt of `port` means all ports; `name` and `protocol` have the API server's defaults "" and TCP.
struct EndpointPort {
  std::optional<std::string> name;
  std::optional<std::string> protocol;
  std::optional<int32_t> port;
  std::optional<std::string> app_protocol;
  bool operator==(const EndpointPort&) const = default;
};

// A plain value, shared as const. Any thread.
struct EndpointSlice {
  ObjectMeta metadata;
  std::string address_type;  // IPv4, IPv6, FQDN
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace keelson::api
