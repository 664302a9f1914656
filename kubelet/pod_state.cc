#include "kubelet/pod_state.h"

#include <algorithm>

#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr Duration kLongestRetry = std::chrono::seconds(10);

}  // namespace

const api::Container* PodState::container(const std::string& name) const {
  for (const auto* list : {&pod->spec.init_containers, &pod->spec.containers}) {
    for (const auto& one : *list) {
      if (one.name == name) return &one;
    }
  }
  return nullptr;
}

std::string PodState::fieldPath(const std::string& container_name) const {
  if (container_name.empty()) return "";
  for (const auto& one : pod->spec.init_containers) {
    if (one.name == container_name) return "spec.initContainers{" + container_name + "}";
  }
  return "spec.containers{" + container_name + "}";
}

void PodState::add(Event event) {
  if (on_event) on_event(event);
  events.add(std::move(event));
  news = true;
}

void PodState::event(const char* type, const std::string& reason, const std::string& message,
                     const std::string& container_name, WallTime now) {
  add(makeEvent(type, reason, cleanText(message, kMaxEventMessage), fieldPath(container_name), now));
}

void PodState::step(const std::string& what, const std::string& outcome, Duration took, WallTime now) {
  timeline.add({now, took, what, cleanText(outcome, kMaxEventMessage)});
  news = true;
}

StepFailure stepFailure(const StepFailure* before, std::string reason, std::string message, WallTime now) {
  StepFailure failure;
  failure.reason = std::move(reason);
  failure.message = cleanText(message, kMaxEventMessage);
  failure.delay = before == nullptr ? kFirstRetry : std::min(before->delay * 2, kLongestRetry);
  failure.retry_at = now + failure.delay;
  return failure;
}

}  // namespace keelson::kubelet
