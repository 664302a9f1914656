// A pod's events and its timeline: bounded memories for people.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "kubelet/kubelet.h"

namespace keelson::kubelet {

inline constexpr size_t kMaxPodEvents = 64;
inline constexpr size_t kMaxPodTimeline = 128;
inline constexpr size_t kMaxEventMessage = 1024;  // the API server's limit for an event's message

Event makeEvent(std::string type, std::string reason, std::string message, std::string field_path,
                WallTime now);

// Like events are one event with a count; beyond kMaxPodEvents the one seen longest ago goes. Strand of
// the pod.
class EventList {
 public:
  void add(Event event);
  const std::vector<Event>& all() const { return events_; }  // by the time they were first seen

 private:
  std::vector<Event> events_;
};

// The last kMaxPodTimeline steps. A step that repeats the one before it with the same outcome only renews its
// time. Strand of the pod.
class Timeline {
 public:
  void add(TimelineEntry entry);
  std::vector<TimelineEntry> all() const { return {entries_.begin(), entries_.end()}; }

 private:
  std::deque<TimelineEntry> entries_;
};

}  // namespace keelson::kubelet
