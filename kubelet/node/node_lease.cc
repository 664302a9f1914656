#include "kubelet/node/node_lease.h"

#include <algorithm>
#include <utility>

#include "api/codec.h"
#include "base/log.h"

namespace keelson::kubelet::node {

api::Lease buildLease(const api::Lease* base, const LeaseSettings& settings, const std::string& node_uid,
                      WallTime now) {
  api::Lease lease;
  if (base != nullptr) {
    lease = *base;
  } else {
    lease.metadata.name = settings.node_name;
    lease.metadata.namespace_ = "kube-node-lease";
  }
  lease.spec.holder_identity = settings.node_name;
  lease.spec.lease_duration_seconds = settings.duration_seconds;
  lease.spec.renew_time = api::MicroTime{now};
  auto& owners = lease.metadata.owner_references;
  if (node_uid.empty()) return lease;
  // A Node that was made anew has another uid: with the old one the Lease would be collected as garbage.
  std::erase_if(owners, [&](const auto& owner) { return owner.kind == "Node" && owner.uid != node_uid; });
  if (owners.empty()) owners.push_back({"v1", "Node", settings.node_name, node_uid, {}, {}});
  return lease;
}

NodeLease::NodeLease(Dependencies dependencies, LeaseSettings settings)
    : dependencies_(std::move(dependencies)),
      settings_(std::move(settings)),
      folder_("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
      path_(folder_ + "/" + settings_.node_name) {}

NodeLease::~NodeLease() { stop(); }

void NodeLease::start() {
  running_ = true;
  begin();
}

void NodeLease::stop() {
  running_ = false;
  call_.reset();
  timer_.reset();
}

void NodeLease::send(std::string method, std::string path, json::value body,
                     api::client::ApiClient::Done done) {
  api::client::ApiRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  request.request_class = api::client::ApiRequest::Class::kHeartbeat;
  call_ = dependencies_.client.send(std::move(request), std::move(done));
}

void NodeLease::begin() {
  tries_ = 0;
  if (lease_) return renew();
  ensure();
}

Result<void> NodeLease::keep(Result<json::value> answer) {
  auto decoded = TRY_CTX(api::decode<api::Lease>(TRY(std::move(answer))), "answer of the API server");
  lease_ = std::move(decoded.value);
  return {};
}

void NodeLease::ensure() {
  send("GET", path_, nullptr, [this](Result<json::value> answer) {
    const auto kept = keep(std::move(answer));
    if (kept) {
      backoff_ = {};
      return renew();
    }
    if (kept.error().code == Code::kNotFound) return make();
    ensureLater(kept.error());
  });
}

void NodeLease::make() {
  const std::string uid = dependencies_.node_uid();
  if (uid.empty()) return ensureLater(makeError(Code::kFailedPrecondition, "the Node is not known yet"));
  const WallTime now = dependencies_.clock.wall();
  send("POST", folder_, api::encode(buildLease(nullptr, settings_, uid, now)),
       [this, now](Result<json::value> answer) {
         const auto kept = keep(std::move(answer));
         if (!kept) return ensureLater(kept.error());
         backoff_ = {};
         stats_.renewed = now;
         finish();
       });
}

void NodeLease::renew() {
  const WallTime now = dependencies_.clock.wall();
  const api::Lease next = buildLease(&*lease_, settings_, dependencies_.node_uid(), now);
  send("PUT", path_, api::encode(next), [this, now](Result<json::value> answer) {
    if (answer.ok()) stats_.renewed = now;
    onRenewed(std::move(answer));
  });
}

void NodeLease::onRenewed(Result<json::value> answer) {
  const auto kept = keep(std::move(answer));
  if (kept) return finish();
  fail("renew", kept.error());
  // Somebody else wrote it (409), or it is gone (404): what is there now decides.
  const Code code = kept.error().code;
  const bool stale = code == Code::kFailedPrecondition || code == Code::kNotFound;
  if (++tries_ >= settings_.retries) {
    lease_.reset();  // the next turn reads it first
    timer_ = dependencies_.loop.after(settings_.renew_every, [this] { begin(); });
  } else if (stale) {
    ensure();
  } else {
    renew();
  }
}

void NodeLease::ensureLater(const Error& error) {
  fail("ensure", error);
  backoff_ = backoff_.next(settings_.ensure, dependencies_.clock.wall());
  timer_ = dependencies_.loop.after(backoff_.delay, [this] { ensure(); });
}

void NodeLease::finish() {
  ++stats_.renewals;
  stats_.last_error.clear();
  const double stretch = 1 + settings_.jitter * dependencies_.random();
  const auto wait = static_cast<double>(settings_.renew_every.count()) * stretch;
  timer_ = dependencies_.loop.after(Duration(static_cast<int64_t>(wait)), [this] { begin(); });
}

void NodeLease::fail(const std::string& what, const Error& error) {
  const std::string text = fmt::format("{} lease {}: {}", what, settings_.node_name, error.text);
  if (text != stats_.last_error) LOG_WARN("{}", text);  // said once, however often it is tried
  stats_.last_error = text;
}

}  // namespace keelson::kubelet::node
