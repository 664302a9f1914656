#include "agent/cluster.h"

#include <algorithm>
#include <random>
#include <set>

#include "base/log.h"
#include "kubelet/certificates/certificate_request.h"
#include "proxy/health.h"

namespace keelson::agent {
namespace {

using api::client::ApiClient;
namespace certificates = kubelet::certificates;

constexpr Duration kFollowCheck = std::chrono::seconds(5);

// Evenly in [0, 1): spreads the timers of many nodes.
std::function<double()> makeRandom() {
  auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

// Of what pods name: the node authorizer lets a node see an object only some milliseconds after the pod that
// names it was bound, so the first tries are quick.
api::client::FollowSettings objectFollow(api::client::FollowSettings settings) {
  settings.backoff.initial = std::chrono::milliseconds(20);
  return settings;
}

bool isMirror(const api::Pod& pod) {
  return pod.metadata.annotations.count("kubernetes.io/config.mirror") > 0;
}
bool isOver(const api::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

template <class T>
std::string nameOf(const api::client::Change<T>& change) {
  const api::ObjectMeta& metadata = (change.now ? change.now : change.was)->metadata;
  return metadata.namespace_ + "/" + metadata.name;
}

template <class T>
std::vector<std::shared_ptr<const T>> valuesOf(
    const std::map<std::string, std::shared_ptr<const T>>& objects) {
  std::vector<std::shared_ptr<const T>> values;
  values.reserve(objects.size());
  for (const auto& [key, object] : objects) values.push_back(object);
  return values;
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::create(ClusterDependencies dependencies, ClusterSettings settings) {
  auto client = TRY_CTX(api::client::makeHttpApiClient(dependencies.loop, dependencies.lane, settings.client),
                        "API client of {}", settings.client.connection.server);
  return std::unique_ptr<Cluster>(
      new Cluster(std::move(dependencies), std::move(client), std::move(settings)));
}

Cluster::Cluster(ClusterDependencies dependencies, std::unique_ptr<ApiClient> client,
                 ClusterSettings settings)
    : deps_(std::move(dependencies)),
      settings_(std::move(settings)),
      client_(std::move(client)),
      pods_(deps_.loop, deps_.clock, *client_, deps_.kubelet, settings_.pods),
      pod_source_(deps_.loop, deps_.lane, *client_, settings_.pods.node_name, settings_.follow),
      objects_(deps_.loop, deps_.lane, *client_,
               [this](kubelet::ObjectStorePtr store, const std::vector<PodUid>& concerned) {
                 deps_.kubelet.setObjects(std::move(store), concerned);
               },
               {.follow = objectFollow(settings_.follow)}),
      tokens_(kubelet::cluster::ServiceAccountTokens::make(
          deps_.loop, *client_, deps_.clock, [this](const PodUid& uid) { deps_.kubelet.wake({uid}); })),
      node_watch_(kubelet::node::makeNodeWatch(deps_.loop, deps_.lane, *client_, settings_.pods.node_name)),
      reporter_({deps_.loop, deps_.clock, *client_, *node_watch_, makeRandom()}, settings_.reporter,
                settings_.node, deps_.sources, nodeListener()),
      lease_({deps_.loop, deps_.clock, *client_,
              [this] { return reporter_.node() ? reporter_.node()->metadata.uid : std::string(); },
              makeRandom()},
             settings_.lease),
      services_(deps_.loop, deps_.lane, *client_, {"/api/v1/services", "", ""}, settings_.follow),
      slices_(deps_.loop, deps_.lane, *client_, {"/apis/discovery.k8s.io/v1/endpointslices", "", ""},
              settings_.follow) {
  if (settings_.cert_dir.empty()) return;
  renewal_ = std::make_unique<certificates::CertificateRenewal>(
      deps_.loop, deps_.lane, deps_.clock, *client_, certificates::clientRenewal(settings_.cert_dir));
}

Cluster::~Cluster() { stop(); }

kubelet::node::NodeListener Cluster::nodeListener() {
  return {[this](const std::vector<std::string>& cidrs) { deps_.on_pod_cidrs(cidrs); },
          [this](const api::Node& node) { onNode(node); },
          [this](const kubelet::node::NodeEvent& event) { recordNodeEvent(event); }};
}

void Cluster::onNode(const api::Node& node) {
  deps_.kubelet.setNodeLabels(node.metadata.labels);
  pods_.setNodeUid(node.metadata.uid);
  const auto zone = node.metadata.labels.find("topology.kubernetes.io/zone");
  if (deps_.proxy)
    deps_.proxy->setNode({settings_.pods.node_name, zone == node.metadata.labels.end() ? "" : zone->second,
                          settings_.node.addresses});
  const bool leaves =
      std::any_of(node.spec.taints.begin(), node.spec.taints.end(),
                  [](const api::Taint& taint) { return taint.key == proxy::kToBeDeletedTaint; });
  deps_.on_eligible(!leaves && !node.metadata.deletion_timestamp);
}

void Cluster::recordNodeEvent(const kubelet::node::NodeEvent& event) {
  const WallTime now = deps_.clock.wall();
  pods_.recordNodeEvent({event.type, event.reason, event.message, "", 1, now, now});
}

void Cluster::onPods(const kubelet::cluster::PodSource::Changes& changes,
                     const std::vector<api::PodPtr>& pods) {
  std::vector<api::PodPtr> live;
  std::set<PodUid> uids;
  for (const auto& pod : pods) {
    if (isMirror(*pod) || isOver(*pod)) continue;
    live.push_back(pod);
    uids.insert(PodUid(pod->metadata.uid));
  }
  objects_.setPods(live);
  pods_.apiChanged(changes, pods);
  tokens_->retain(uids);
}

// What cannot be followed is told when it begins and when it is over.
void Cluster::watchFollowers() {
  const auto look = [this](const char* what, const api::client::FollowStats& stats) {
    std::string& told = follow_errors_[what];
    if (told == stats.last_error) return;
    if (stats.last_error.empty())
      LOG_INFO("{} are followed again", what);
    else
      LOG_WARN("{} cannot be followed: {}", what, stats.last_error);
    told = stats.last_error;
  };
  look("pods", pod_source_.stats());
  look("services", services_.stats());
  look("endpoint slices", slices_.stats());
}

void Cluster::start() {
  follow_check_ = deps_.loop.every(kFollowCheck, [this] { watchFollowers(); });
  deps_.tokens->set(tokens_);
  reporter_.start();
  lease_.start();
  pod_source_.start([this](const auto& changes, const auto& all) { onPods(changes, all); });
  if (deps_.proxy) followServices();
  if (!renewal_) return;
  renewal_->start([](const auto&) {}, deps_.on_expired);
  renewal_->want(certificates::clientSubject(settings_.pods.node_name));
}

void Cluster::followServices() {
  services_.start([this](const auto& changes) {
    if (!std::exchange(services_known_, true)) return deps_.proxy->setServices(valuesOf(services_.objects()));
    for (const auto& change : changes) deps_.proxy->setService(nameOf(change), change.now);
  });
  slices_.start([this](const auto& changes) {
    if (!std::exchange(slices_known_, true)) return deps_.proxy->setSlices(valuesOf(slices_.objects()));
    for (const auto& change : changes) deps_.proxy->setSlice(nameOf(change), change.now);
  });
}

void Cluster::stop() {
  if (std::exchange(stopped_, true)) return;
  follow_check_.reset();
  renewal_.reset();
  services_.stop();
  slices_.stop();
  lease_.stop();
  reporter_.stop();
  node_watch_->stop();
  pod_source_.stop();
  objects_.stop();
  deps_.tokens->set(nullptr);  // pods ask it as long as they run, and the client goes
  tokens_->stop();
  pods_.stop();
}

}  // namespace keelson::agent
