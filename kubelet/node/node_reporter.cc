#include "kubelet/node/node_reporter.h"

#include <charconv>
#include <utility>

#include "api/codec.h"
#include "base/log.h"
#include "kubelet/node/node_conditions.h"
#include "kubelet/node/node_object.h"
#include "kubelet/node/node_patch.h"

namespace keelson::kubelet::node {
namespace {

// How long a watch may lag behind the answer to a write. Older versions are not ignored for ever: an API
// server that was restored from a backup counts from an earlier one.
constexpr Duration kWatchLag = std::chrono::seconds(5);

std::optional<uint64_t> versionOf(const api::Node& node) {
  const std::string& text = node.metadata.resource_version;
  uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return version;
}

bool isOlder(const api::Node& a, const api::Node& b) {
  const auto left = versionOf(a), right = versionOf(b);
  return a.metadata.uid == b.metadata.uid && left && right && *left < *right;
}

}  // namespace

NodeReporter::NodeReporter(ReporterDependencies dependencies, ReporterSettings settings, NodeInput base,
                           NodeSources sources, NodeListener listener)
    : dependencies_(std::move(dependencies)),
      settings_(settings),
      base_(std::move(base)),
      sources_(std::move(sources)),
      listener_(std::move(listener)),
      path_("/api/v1/nodes/" + base_.settings.name) {
  if (!listener_.on_pod_cidrs) listener_.on_pod_cidrs = [](const auto&) {};
  if (!listener_.on_node) listener_.on_node = [](const auto&) {};
  if (!listener_.on_event) listener_.on_event = [](const auto&) {};
}

NodeReporter::~NodeReporter() { stop(); }

void NodeReporter::start() {
  running_ = true;
  started_ = dependencies_.clock.steady();
  listener_.on_event(startingEvent());
  dependencies_.watch.start([this](NodePtr node) { onWatched(std::move(node)); });
  start_check_ = dependencies_.loop.every(settings_.start_check, [this] { startCheck(); });
  if (settings_.register_node) return tryRegister();
  registered();
}

void NodeReporter::stop() {
  if (!std::exchange(running_, false)) return;
  dependencies_.watch.stop();
  call_.reset();
  for (Registration* timer : {&tick_, &retry_, &start_check_}) timer->reset();
}

void NodeReporter::poke() {
  if (running_) beginRound();
}

void NodeReporter::setMachine(MachineFacts facts, std::vector<IpAddress> addresses) {
  base_.facts = std::move(facts);
  base_.addresses = std::move(addresses);
  poke();
}

NodeInput NodeReporter::input() const {
  NodeInput now = base_;
  now.readiness = sources_.readiness();
  if (sources_.pressure) now.pressure = sources_.pressure();
  if (sources_.images) now.images = sources_.images();
  if (sources_.volumes_in_use) now.volumes_in_use = sources_.volumes_in_use();
  return now;
}

void NodeReporter::send(std::string method, std::string path, json::value body,
                        api::client::ApiClient::Done done) {
  api::client::ApiRequest request;
  const bool patches = method == "PATCH";
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  if (patches) request.content_type = api::client::kStrategicMergePatch;
  request.request_class = api::client::ApiRequest::Class::kHeartbeat;
  call_ = dependencies_.client.send(std::move(request), std::move(done));
}

Result<NodeReporter::NodePtr> NodeReporter::answered(Result<json::value> answer) {
  auto decoded = TRY_CTX(api::decode<api::Node>(TRY(std::move(answer))), "answer of the API server");
  auto node = std::make_shared<const api::Node>(std::move(decoded.value));
  stats_.last_error.clear();
  adopt(node, From::kAnswer);
  return node;
}

void NodeReporter::adopt(NodePtr node, From from) {
  const SteadyTime now = dependencies_.clock.steady();
  if (from == From::kWatch && node_ && now < ignore_older_until_ && isOlder(*node, *node_)) return;
  if (from == From::kAnswer) ignore_older_until_ = now + kWatchLag;
  const NodePtr before = std::exchange(node_, std::move(node));
  if (before && before->spec.unschedulable != node_->spec.unschedulable) {
    api::Node told = *before;  // just this: the rest is told by who reports it
    told.spec = node_->spec;
    for (const NodeEvent& event : nodeEvents(before.get(), told)) listener_.on_event(event);
  }
  if (!before || before->spec != node_->spec || before->metadata.labels != node_->metadata.labels ||
      before->metadata.annotations != node_->metadata.annotations) {
    listener_.on_node(*node_);
  }
  if (!node_->spec.pod_cidrs.empty() && node_->spec.pod_cidrs != pod_cidrs_) {
    pod_cidrs_ = node_->spec.pod_cidrs;
    listener_.on_pod_cidrs(pod_cidrs_);
  }
}

void NodeReporter::onWatched(NodePtr node) {
  if (!node) {
    // A first list may be from before our POST: only what was there can be gone.
    if (std::exchange(watched_, false) && node_ && stats_.registered) onGone();
    return;
  }
  watched_ = true;
  adopt(std::move(node), From::kWatch);
  // The control plane gave us up while we could not reach it: say otherwise now, not at the next tick.
  const auto* ready = findCondition(node_->status.conditions, "Ready");
  if (stats_.registered && ready != nullptr && ready->status == "Unknown") beginRound();
}

void NodeReporter::onGone() {
  const std::string& name = base_.settings.name;
  call_.reset();
  in_round_ = again_ = false;
  lost_ = std::exchange(node_, nullptr);
  if (!settings_.register_node || !settings_.register_again) {
    return LOG_WARN("node {}: deleted from the API; it comes back when the daemon starts again", name);
  }
  LOG_WARN("node {}: deleted from the API while its daemon runs; it is registered again", name);
  stats_.registered = false;
  tick_.reset();
  backoff_ = backoff_.next(settings_.registration, dependencies_.clock.wall());
  retry_ = dependencies_.loop.after(backoff_.delay, [this] { tryRegister(); });
}

void NodeReporter::fail(const std::string& what, const Error& error) {
  const std::string text = fmt::format("{} node {}: {}", what, base_.settings.name, error.text);
  if (text != stats_.last_error) LOG_WARN("{}", text);  // said once, however often it is tried
  stats_.last_error = text;
}

}  // namespace keelson::kubelet::node
