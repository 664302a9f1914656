// Services and slices in one line each.
#pragma once

#include "proxy/doors.h"

namespace keelson::proxy::test {

struct Port {
  int port = 80;
  std::string name;
  std::string protocol = "TCP";
  int node_port = 0;
};

inline std::shared_ptr<api::Service> service(const std::string& name, const std::string& cluster_ip,
                                             std::vector<Port> ports = {{}},
                                             const std::string& type = "ClusterIP") {
  auto made = std::make_shared<api::Service>();
  made->metadata.namespace_ = "default";
  made->metadata.name = name;
  made->spec.cluster_ips = {cluster_ip};
  made->spec.type = type;
  for (const auto& port : ports) {
    api::ServicePort spec;
    spec.name = port.name;
    spec.port = port.port;
    spec.protocol = port.protocol;
    spec.node_port = port.node_port;
    made->spec.ports.push_back(spec);
  }
  return made;
}

// "10.244.0.2" is ready on another node; "+" before it is on node1; after it "!" is not ready, "~" ends but
// serves.
inline api::Endpoint endpoint(std::string text) {
  api::Endpoint made;
  made.node_name = text.starts_with('+') ? "node1" : "node2";
  if (text.starts_with('+')) text.erase(0, 1);
  const char last = text.back();
  if (last == '!' || last == '~') text.pop_back();
  made.conditions.ready = last != '!' && last != '~';
  made.conditions.serving = last != '!';
  made.conditions.terminating = last == '~';
  made.addresses = {text};
  return made;
}

inline std::shared_ptr<api::EndpointSlice> slice(const std::string& name, std::vector<std::string> endpoints,
                                                 std::vector<Port> ports = {{8080}},
                                                 const std::string& type = "IPv4") {
  auto made = std::make_shared<api::EndpointSlice>();
  made->metadata.namespace_ = "default";
  made->metadata.name = name + "-abc";
  made->metadata.labels[api::kServiceNameLabel] = name;
  made->address_type = type;
  for (auto& text : endpoints) made->endpoints.push_back(endpoint(text));
  for (const auto& port : ports) {
    api::EndpointPort spec;
    spec.name = port.name;
    spec.port = port.port;
    spec.protocol = port.protocol;
    made->ports.push_back(spec);
  }
  return made;
}

inline const NodeFacts kNode{"node1", "zone-a", {}};

// "key service: everyone / outside" a line.
inline std::string describe(const Resolved& resolved) {
  std::string text;
  const auto list = [&](const std::vector<Backend>& backends) {
    for (const auto& backend : backends)
      text += fmt::format(" {}{}:{}", backend.local ? "+" : "", backend.address.str(), backend.port);
  };
  for (const auto& [key, door] : resolved.doors) {
    text += key.str();
    list(door->everyone);
    if (door->everyone_withheld) text += " withheld";
    if (door->local_only) {
      text += " /";
      list(door->outside);
      if (door->outside_withheld) text += " withheld";
    }
    text += "\n";
  }
  for (const auto& problem : resolved.problems) text += "! " + problem + "\n";
  return text;
}

}  // namespace keelson::proxy::test
