#include "kubelet/cluster/event_series.h"

#include <algorithm>

namespace keelson::kubelet::cluster {
namespace {

constexpr size_t kMaxObjectName = 253;  // of a DNS subdomain

// Never inside a UTF-8 sequence.
std::string cut(std::string text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace

void TokenBucket::fill(SteadyTime now) {
  if (started_) {
    const auto passed = std::chrono::duration<double>(now - filled_);
    tokens_ = std::min(burst_, tokens_ + passed / std::chrono::duration<double>(refill_));
  }
  started_ = true;
  filled_ = now;
}

bool TokenBucket::take(SteadyTime now) {
  fill(now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Duration TokenBucket::wait(SteadyTime now) {
  fill(now);
  if (tokens_ >= 1) return Duration{0};
  return std::chrono::duration_cast<Duration>((1 - tokens_) * std::chrono::duration<double>(refill_)) +
         std::chrono::milliseconds(1);
}

api::ObjectReference podReference(const api::Pod& pod) {
  api::ObjectReference reference;
  reference.kind = "Pod";
  reference.namespace_ = pod.metadata.namespace_;
  reference.name = pod.metadata.name;
  reference.uid = pod.metadata.uid;
  reference.api_version = "v1";
  reference.resource_version = pod.metadata.resource_version;
  return reference;
}

api::ObjectReference nodeReference(const std::string& node_name) {
  api::ObjectReference reference;
  reference.kind = "Node";
  reference.name = node_name;
  reference.uid = node_name;
  reference.api_version = "v1";
  return reference;
}

std::string seriesKey(const api::ObjectReference& regarding, const Event& event) {
  std::string key;
  for (const std::string* part : {&regarding.kind, &regarding.namespace_, &regarding.name, &regarding.uid,
                                  &event.field_path, &event.type, &event.reason, &event.message}) {
    key += *part;
    key += '\n';
  }
  return key;
}

api::Event makeApiEvent(const api::ObjectReference& regarding, const Event& event,
                        const std::string& node_name, const std::string& name_suffix) {
  api::Event made;
  made.metadata.name = cut(regarding.name, kMaxObjectName - name_suffix.size() - 1) + "." + name_suffix;
  made.metadata.namespace_ = regarding.namespace_.empty() ? "default" : regarding.namespace_;
  made.event_time = api::formatMicroTime(event.last_seen);
  made.reporting_controller = "kubelet";
  made.reporting_instance = cut(node_name, api::kMaxEventWord);
  made.reason = cut(event.reason, api::kMaxEventWord);
  made.action = made.reason;  // required by the API; the kubelet's reasons are what it did
  made.regarding = regarding;
  made.regarding.field_path = event.field_path;
  made.note = cut(event.message, api::kMaxEventNote);
  made.type = event.type;
  return made;
}

json::value seriesPatch(int32_t count, WallTime last) {
  return json::object{{"series", {{"count", count}, {"lastObservedTime", api::formatMicroTime(last)}}}};
}

}  // namespace keelson::kubelet::cluster
