// Pods for the runtime's tests, in few words.
#pragma once

#include <string>

#include "api/pod.h"

namespace keelson::runtime {

inline api::ResourceList resourceList(const std::string& cpu, const std::string& memory) {
  api::ResourceList list;
  if (!cpu.empty()) list["cpu"] = api::Quantity::parse(cpu).value();
  if (!memory.empty()) list["memory"] = api::Quantity::parse(memory).value();
  return list;
}

inline api::Container container(const std::string& name, api::ResourceList requests = {},
                                api::ResourceList limits = {}) {
  api::Container made;
  made.name = name;
  made.resources.requests = std::move(requests);
  made.resources.limits = std::move(limits);
  return made;
}

inline api::Container sidecar(const std::string& name, api::ResourceList requests = {},
                              api::ResourceList limits = {}) {
  api::Container made = container(name, std::move(requests), std::move(limits));
  made.restart_policy = "Always";
  return made;
}

inline api::Pod podOf(std::vector<api::Container> containers,
                      std::vector<api::Container> init_containers = {}) {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "u1";
  pod.spec.containers = std::move(containers);
  pod.spec.init_containers = std::move(init_containers);
  return pod;
}

}  // namespace keelson::runtime
