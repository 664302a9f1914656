// Event of events.k8s.io/v1: what happened to an object, for people.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/object_meta.h"
#include "api/object_reference.h"

namespace keelson::api {

// The same thing happened `count` times (at least 2).
struct EventSeries {
  int32_t count = 0;
  std::string last_observed_time;  // formatMicroTime()
  bool operator==(const EventSeries&) const = default;
};

// A plain value. Any thread.
struct Event {
  ObjectMeta metadata;
  std::string event_time;  // formatMicroTime()
  std::optional<EventSeries> series;
  std::string reporting_controller;
  std::string reporting_instance;
  std::string action;
  std::string reason;
  ObjectReference regarding;
  std::string note;
  std::string type;  // Normal, Warning
  bool operator==(const Event&) const = default;
};

// The API server's limits for an event's texts, in bytes.
inline constexpr size_t kMaxEventNote = 1024;
inline constexpr size_t kMaxEventWord = 128;  // reason, action, reporting instance

// RFC 3339 with six digits, the form of metav1.MicroTime.
std::string formatMicroTime(WallTime time);

}  // namespace keelson::api
