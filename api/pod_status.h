// PodStatus: what is reported about a Pod.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/object_meta.h"
#include "api/resources.h"
#include "base/clock.h"

namespace keelson::api {

struct ContainerStateWaiting {
  std::string reason;
  std::string message;
  bool operator==(const ContainerStateWaiting&) const = default;
};

struct ContainerStateRunning {
  std::optional<WallTime> started_at;
  bool operator==(const ContainerStateRunning&) const = default;
};

struct ContainerStateTerminated {
  int32_t exit_code = 0;
  int32_t signal = 0;
  std::string reason;  // Completed, Error, OOMKilled, StartError, ContainerStatusUnknown, ...
  std::string message;
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
  std::string container_id;  // "keelson://<64 hex>"
  bool operator==(const ContainerStateTerminated&) const = default;
};

// At most one member is set; none means waiting without a reason.
struct ContainerState {
  std::optional<ContainerStateWaiting> waiting;
  std::optional<ContainerStateRunning> running;
  std::optional<ContainerStateTerminated> terminated;
  bool operator==(const ContainerState&) const = default;
};

// A volume as it is mounted in the container.
struct VolumeMountStatus {
  std::string name;
  std::string mount_path;
  bool read_only = false;
  std::string recursive_read_only;  // Disabled, Enabled; "" unless read_only
  bool operator==(const VolumeMountStatus&) const = default;
};

// Who the container's first process was when it started.
struct LinuxContainerUser {
  int64_t uid = 0;
  int64_t gid = 0;
  std::vector<int64_t> supplemental_groups;
  bool operator==(const LinuxContainerUser&) const = default;
};

struct ContainerStatus {
  std::string name;
  ContainerState state;
  ContainerState last_state;
  bool ready = false;
  int32_t restart_count = 0;
  std::string image;
  std::string image_id;
  std::string container_id;
  std::optional<bool> started;
  ResourceList allocated_resources;
  std::optional<ResourceRequirements> resources;
  std::vector<VolumeMountStatus> volume_mounts;
  std::optional<LinuxContainerUser> user;  // reported as user.linux
  bool operator==(const ContainerStatus&) const = default;
};

struct PodCondition {
  std::string type;
  std::string status;  // True, False, Unknown
  std::string reason;
  std::string message;
  std::optional<WallTime> last_probe_time;
  std::optional<WallTime> last_transition_time;
  int64_t observed_generation = 0;
  bool operator==(const PodCondition&) const = default;
};

struct PodStatus {
  int64_t observed_generation = 0;
  std::string phase;  // Pending, Running, Succeeded, Failed, Unknown
  std::vector<PodCondition> conditions;
  std::string message;
  std::string reason;
  std::vector<std::string> host_ips;  // reported as hostIP and hostIPs
  std::vector<std::string> pod_ips;   // reported as podIP and podIPs
  std::optional<WallTime> start_time;
  std::vector<ContainerStatus> init_container_statuses;
  std::vector<ContainerStatus> container_statuses;
  std::vector<ContainerStatus> ephemeral_container_statuses;
  std::string qos_class;  // Guaranteed, Burstable, BestEffort
  bool operator==(const PodStatus&) const = default;
};

}  // namespace keelson::api
