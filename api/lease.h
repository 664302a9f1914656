// Lease: a node's heartbeat, renewed by its holder.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/micro_time.h"
#include "api/object_meta.h"

namespace keelson::api {

struct LeaseSpec {
  std::optional<std::string> holder_identity;
  std::optional<int32_t> lease_duration_seconds;
  std::optional<MicroTime> acquire_time;
  std::optional<MicroTime> renew_time;
  std::optional<int32_t> lease_transitions;
  std::optional<std::string> strategy;
  std::optional<std::string> preferred_holder;
  bool operator==(const LeaseSpec&) const = default;
};

// A plain value, shared as const. Any thread.
struct Lease {
  ObjectMeta metadata;
  LeaseSpec spec;
  bool operator==(const Lease&) const = default;
};

}  // namespace keelson::api
