#include "kubelet/events.h"

#include <algorithm>

namespace keelson::kubelet {

Event makeEvent(std::string type, std::string reason, std::string message, std::string field_path,
                WallTime now) {
  if (message.size() > kMaxEventMessage) message.resize(kMaxEventMessage);
  return {std::move(type), std::move(reason), std::move(message), std::move(field_path), 1, now, now};
}

void EventList::add(Event event) {
  for (auto& known : events_) {
    if (known.type == event.type && known.reason == event.reason && known.message == event.message &&
        known.field_path == event.field_path) {
      known.count += event.count;
      known.last_seen = std::max(known.last_seen, event.last_seen);
      return;
    }
  }
  if (events_.size() >= kMaxPodEvents) {
    events_.erase(std::min_element(events_.begin(), events_.end(),
                                   [](const Event& a, const Event& b) { return a.last_seen < b.last_seen; }));
  }
  events_.push_back(std::move(event));
}

void Timeline::add(TimelineEntry entry) {
  if (!entries_.empty() && entries_.back().step == entry.step && entries_.back().outcome == entry.outcome) {
    entries_.back() = std::move(entry);
    return;
  }
  if (entries_.size() >= kMaxPodTimeline) entries_.pop_front();
  entries_.push_back(std::move(entry));
}

}  // namespace keelson::kubelet
