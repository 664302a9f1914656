// What must outlive the daemon about one pod and cannot be asked of the runtime.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/pod.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "kubelet/hook_record.h"

namespace keelson::kubelet {

// One instance of a container: what it was started with and, once known, how it ended.
struct InstanceRecord {
  ContainerId id;
  uint32_t attempt = 0;
  uint32_t sandbox_attempt = 0;
  std::string image;     // as the spec named it
  std::string image_id;  // as reported: repo@digest, or the image's id
  int32_t stop_signal = 15;
  WallTime started_at;
  std::optional<WallTime> kill_at;  // once it was told to stop: when SIGKILL follows
  std::optional<api::ContainerStateTerminated> exit;
  // What its probes found last; absent: nothing yet. Kept over a restart of the daemon.
  std::optional<bool> ready, started;
  std::string failed_probe;  // "liveness", "startup": it is to be restarted
  HookRecord post_start, pre_stop;
  std::optional<WallTime> stop_by;  // once its preStop hook has begun: when the grace period is over
  bool operator==(const InstanceRecord&) const = default;
};

struct ContainerRecord {
  uint32_t next_attempt = 0;
  std::optional<InstanceRecord> current;
  std::optional<InstanceRecord> previous;
  Backoff backoff;  // of restarts
  bool operator==(const ContainerRecord& other) const;
};

// Why the last pull of an image failed, and since when it backs off.
struct PullFailure {
  Backoff backoff;
  WallTime failed_at;
  std::string reason;  // ErrImagePull, RegistryUnavailable, ...
  std::string message;
  bool operator==(const PullFailure& other) const;
};

struct Admission {
  bool admitted = true;
  std::string reason;   // OutOfcpu, NodeAffinity, ...
  std::string message;  // "Pod was rejected: ..."
  bool operator==(const Admission&) const = default;
};

// The pod has reached a terminal phase and can not leave it.
struct Ending {
  std::string phase;   // Succeeded, Failed
  std::string reason;  // DeadlineExceeded, ... or ""
  std::string message;
  WallTime at;
  std::optional<Duration> grace{};  // of its containers; absent: as the spec says
  bool disruption = false;          // ended by this node for its own sake: condition DisruptionTarget
  bool operator==(const Ending&) const = default;
};

struct Deletion {
  WallTime at;
  Duration grace{0};
  bool operator==(const Deletion&) const = default;
};

// A plain value, changed on the pod's strand only. Kept at <root>/pods/UID/keelson/status.json.
struct PodRecord {
  std::string pod_namespace;
  std::string pod_name;
  std::string source;  // manifest file, or "api"
  std::optional<Admission> admission;
  std::optional<WallTime> start_time;
  uint32_t next_sandbox = 0;                 // attempt of the next sandbox
  std::optional<uint32_t> attached_sandbox;  // the sandbox whose network is set up
  std::vector<std::string> pod_ips;          // kept after the end
  std::map<std::string, ContainerRecord> containers;
  std::map<std::string, PullFailure> pulls;  // by image as the spec names it
  std::vector<api::PodCondition> conditions;
  std::optional<Ending> ending;
  std::optional<Deletion> deletion;
  bool operator==(const PodRecord&) const = default;
};

inline constexpr size_t kMaxRecordBytes = size_t{1} << 20;
inline constexpr int kRecordVersion = 1;

// Compact JSON with a version; decode refuses another version and wrong types with kDataLoss.
std::string encodeRecord(const PodRecord& record);
Result<PodRecord> decodeRecord(std::string_view text);

}  // namespace keelson::kubelet
