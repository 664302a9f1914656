// The fields of PodStatus.
#pragma once

#include "api/pod_status.h"
#include "api/resources_schema.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<ContainerStateWaiting> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("reason", c.reason);
    v("message", c.message);
  }
};

template <>
struct Schema<ContainerStateRunning> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("startedAt", c.started_at, kAlways);
  }
};

template <>
struct Schema<ContainerStateTerminated> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("exitCode", c.exit_code, kAlways);
    v("signal", c.signal);
    v("reason", c.reason);
    v("message", c.message);
    v("startedAt", c.started_at, kAlways);
    v("finishedAt", c.finished_at, kAlways);
    v("containerID", c.container_id);
  }
};

template <>
struct Schema<ContainerState> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("waiting", c.waiting);
    v("running", c.running);
    v("terminated", c.terminated);
  }
};

template <>
struct Schema<VolumeMountStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("mountPath", c.mount_path, kAlways);
    v("readOnly", c.read_only);
    v("recursiveReadOnly", c.recursive_read_only);
    v.ignored({"volumeStatus"});
  }
};

template <>
struct Schema<LinuxContainerUser> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("uid", c.uid, kAlways);
    v("gid", c.gid, kAlways);
    v("supplementalGroups", c.supplemental_groups);
  }
};

template <>
struct Schema<ContainerStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("state", c.state);
    v("lastState", c.last_state);
    v("ready", c.ready, kAlways);
    v("restartCount", c.restart_count, kAlways);
    v("image", c.image, kAlways);
    v("imageID", c.image_id, kAlways);
    v("containerID", c.container_id);
    v("started", c.started);
    v("allocatedResources", c.allocated_resources);
    v("resources", c.resources);
    v("volumeMounts", c.volume_mounts);
    v.object("user", [&](V& user) { user("linux", c.user); });
    v.ignored({"allocatedResourcesStatus", "stopSignal"});
  }
};

template <>
struct Schema<PodCondition> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("type", c.type, kAlways);
    v("observedGeneration", c.observed_generation);
    v("status", c.status, kAlways);
    v("lastProbeTime", c.last_probe_time, kAlways);
    v("lastTransitionTime", c.last_transition_time, kAlways);
    v("reason", c.reason);
    v("message", c.message);
  }
};

template <>
struct Schema<PodStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("observedGeneration", c.observed_generation);
    v("phase", c.phase);
    v("conditions", c.conditions);
    v("message", c.message);
    v("reason", c.reason);
    v.first("hostIP", c.host_ips);
    v.wrapped("hostIPs", c.host_ips, "ip");
    v.first("podIP", c.pod_ips);
    v.wrapped("podIPs", c.pod_ips, "ip");
    v("startTime", c.start_time);
    v("initContainerStatuses", c.init_container_statuses);
    v("containerStatuses", c.container_statuses);
    v("qosClass", c.qos_class);
    v("ephemeralContainerStatuses", c.ephemeral_container_statuses);
    v.ignored({"nominatedNodeName", "resize", "resourceClaimStatuses", "extendedResourceClaimStatus",
               "allocatedResources", "resources"});
  }
};

}  // namespace keelson::api
