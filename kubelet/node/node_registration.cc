// NodeReporter: how the Node comes to be.
#include "base/log.h"
#include "kubelet/node/node_object.h"
#include "kubelet/node/node_patch.h"
#include "kubelet/node/node_reporter.h"

namespace keelson::kubelet::node {

void NodeReporter::tryRegister() {
  api::Node node = buildNode(input(), dependencies_.clock.wall());
  if (lost_) {
    // A cordon or a taint was somebody's will, and outlives the object.
    node.spec.unschedulable = lost_->spec.unschedulable;
    node.spec.taints = lost_->spec.taints;
  }
  json::value body = api::encode(node);
  send("POST", "/api/v1/nodes", std::move(body), [this, node = std::move(node)](Result<json::value> answer) {
    auto made = answered(std::move(answer));
    if (made) {
      LOG_INFO("node {}: registered", node.metadata.name);
      for (const NodeEvent& event : nodeEvents(nullptr, node)) listener_.on_event(event);
      reported_ = dependencies_.clock.steady();
      return registered();
    }
    // Who may not create nodes may still have one, made by an administrator.
    const Code code = made.error().code;
    if (code == Code::kAlreadyExists || code == Code::kPermissionDenied) return readExisting();
    registerLater("register", made.error());
  });
}

void NodeReporter::readExisting() {
  send("GET", path_, nullptr, [this](Result<json::value> answer) {
    auto found = answered(std::move(answer));
    if (!found) return registerLater("read", found.error());
    correctExisting();
  });
}

void NodeReporter::correctExisting() {
  const NodePtr existing = node_;
  json::object patch = nodeStatusPatch(*existing, reconcileNode(input(), *existing));
  if (patch.empty()) return registered();
  send("PATCH", path_ + "/status", std::move(patch), [this](Result<json::value> answer) {
    auto corrected = answered(std::move(answer));
    if (!corrected) return registerLater("correct", corrected.error());
    registered();
  });
}

void NodeReporter::registerLater(const std::string& what, const Error& error) {
  fail(what, error);
  backoff_ = backoff_.next(settings_.registration, dependencies_.clock.wall());
  retry_ = dependencies_.loop.after(backoff_.delay, [this] { tryRegister(); });
}

void NodeReporter::registered() {
  stats_.registered = true;
  backoff_ = {};
  lost_.reset();
  scheduleTick();
  beginRound();
}

}  // namespace keelson::kubelet::node
