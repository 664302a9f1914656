// Whether a pod may run on this node: checked once, before anything is made for it.
#pragma once

#include <string>
#include <vector>

#include "api/pod.h"
#include "base/units.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

struct NodeFacts {
  std::string name;
  api::StringMap labels;
  Millicpu cpu;
  Bytes memory;
  int max_pods = 110;
};

// Pure: the pod against the node and the pods that are admitted already and not over yet. The first reason
// found, in Kubernetes' order and words ("Pod was rejected: ...").
// https://kubernetes.io/docs/concepts/scheduling-eviction/
Admission admitPod(const api::Pod& pod, const NodeFacts& node, const std::vector<api::PodPtr>& others);

// What the pod asks for as a whole: its containers, or its largest init step, whichever is more; pod-level
// requests and overhead included. In the unit of the scheduler: millicores for cpu, else whole units.
int64_t podRequest(const api::PodSpec& spec, const std::string& resource);

// A sysctl's name with dots, whichever separator it was written with (sysctl(8)).
std::string sysctlDots(const std::string& name);

}  // namespace keelson::kubelet
