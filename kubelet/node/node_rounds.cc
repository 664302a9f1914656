// NodeReporter: the status, round by round.
#include <utility>

#include "base/log.h"
#include "kubelet/node/node_conditions.h"
#include "kubelet/node/node_object.h"
#include "kubelet/node/node_patch.h"
#include "kubelet/node/node_reporter.h"

namespace keelson::kubelet::node {
namespace {

Duration scaled(Duration duration, double by) {
  return Duration(static_cast<int64_t>(static_cast<double>(duration.count()) * by));
}

}  // namespace

void NodeReporter::scheduleTick() {
  const double stretch = 1 + settings_.jitter * dependencies_.random();
  tick_ = dependencies_.loop.after(scaled(settings_.update_frequency, stretch), [this] {
    scheduleTick();
    beginRound();
  });
}

void NodeReporter::startCheck() {
  const bool over = dependencies_.clock.steady() - started_ >= settings_.start_checks_end;
  if (was_ready_ || over) return start_check_.reset();
  if (stats_.registered && node_ && sources_.readiness().problems.empty()) beginRound();
}

void NodeReporter::beginRound() {
  if (!stats_.registered) return;
  if (in_round_) {
    again_ = true;
    return;
  }
  in_round_ = true;
  tries_ = 0;
  untold_.clear();
  attempt();
}

void NodeReporter::attempt() {
  if (tries_ == 0 && node_) return report();
  send("GET", path_, nullptr, [this](Result<json::value> answer) {
    if (auto found = answered(std::move(answer)); !found) return retry("read", found.error());
    report();
  });
}

bool NodeReporter::isDue() const {
  return !reported_ ||
         dependencies_.clock.steady() - *reported_ >= settings_.report_frequency + report_shift_;
}

// A restart of the daemon is no reason to move pods away.
bool NodeReporter::isComingUp(const NodeInput& now) {
  return !was_ready_ && !now.readiness.problems.empty() && isReady(*node_) &&
         dependencies_.clock.steady() - started_ < settings_.restart_grace;
}

void NodeReporter::report() {
  const NodeInput now = input();
  if (isComingUp(now)) return endRound();
  const NodePtr before = node_;
  const api::Node after = updateNode(now, *before, dependencies_.clock.wall());
  const bool changed = statusChanged(before->status, after.status) ||
                       before->metadata.labels != after.metadata.labels ||
                       before->metadata.annotations != after.metadata.annotations;
  if (!changed) {
    was_ready_ = was_ready_ || isReady(after);
    tellEvents();  // a PATCH that arrived although its answer was lost
  }
  if (!changed && !isDue()) return endRound();
  json::object patch = nodeStatusPatch(*before, after);
  if (patch.empty()) {  // due, and within the second of the last heartbeat
    reported_ = dependencies_.clock.steady();
    return endRound();
  }
  if (untold_.empty()) untold_ = nodeEvents(before.get(), after);
  const bool ready = isReady(after);
  send("PATCH", path_ + "/status", std::move(patch), [this, ready, changed](Result<json::value> answer) {
    if (auto made = answered(std::move(answer)); !made) return retry("report status of", made.error());
    was_ready_ = was_ready_ || ready;
    onReported(changed);
  });
}

void NodeReporter::onReported(bool changed) {
  ++stats_.patches;
  reported_ = dependencies_.clock.steady();
  // Nodes that all changed at once (an update of the cluster) drift apart again.
  report_shift_ = changed ? scaled(settings_.report_frequency, dependencies_.random() - 0.5) : Duration{0};
  tellEvents();
  endRound();
}

void NodeReporter::tellEvents() {
  for (const NodeEvent& event : std::exchange(untold_, {})) {
    LOG_INFO("{}", event.message);
    listener_.on_event(event);
  }
}

void NodeReporter::retry(const std::string& what, const Error& error) {
  fail(what, error);
  if (error.code == Code::kNotFound && node_) return onGone();
  if (error.code == Code::kNotFound || ++tries_ >= settings_.retries) return endRound();
  attempt();
}

void NodeReporter::endRound() {
  in_round_ = false;
  if (!again_) return;
  again_ = false;
  // Not from inside this callback: what it says may have changed again.
  retry_ = dependencies_.loop.after(Duration{0}, [this] { beginRound(); });
}

}  // namespace keelson::kubelet::node
