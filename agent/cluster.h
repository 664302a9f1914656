// This node's place in its cluster: everything that exists once the API server is known.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/late_tokens.h"
#include "api/client/http_api_client.h"
#include "api/client/informer.h"
#include "api/endpoint_slice.h"
#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/certificates/certificate_renewal.h"
#include "kubelet/cluster/cluster_pods.h"
#include "kubelet/cluster/object_cache.h"
#include "kubelet/cluster/pod_source.h"
#include "kubelet/cluster/service_account_tokens.h"
#include "kubelet/kubelet.h"
#include "kubelet/node/node_lease.h"
#include "kubelet/node/node_reporter.h"
#include "proxy/proxy.h"

namespace keelson::agent {

struct ClusterSettings {
  api::client::ClientSettings client;
  api::client::FollowSettings follow;
  kubelet::cluster::ClusterPods::Settings pods;  // node_name among them
  kubelet::node::NodeInput node;                 // settings, facts, addresses
  kubelet::node::ReporterSettings reporter;
  kubelet::node::LeaseSettings lease;
  std::string cert_dir;  // of the client certificate that is renewed; "": none of ours
};

// All outlive it. `lane` resolves names, reads credentials and decodes lists.
struct ClusterDependencies {
  Loop& loop;
  Lane& lane;
  Clock& clock;
  kubelet::Kubelet& kubelet;
  proxy::Proxy* proxy;  // null: services are somebody else's
  std::shared_ptr<LateTokens> tokens;
  kubelet::node::NodeSources sources;
  std::function<void(const std::vector<std::string>&)> on_pod_cidrs;
  std::function<void(bool)> on_eligible;  // whether load balancers may use this node
  std::function<void()> on_expired;       // the client certificate ended without a successor
};

// Owned by the agent. The kubelet runs before, and goes on without it: it has Options::wait_for_api, our
// LateTokens, and an empty ClusterObjects, so that everything is "not known yet" until this tells. Home:
// loop.
class Cluster {
 public:
  // kInvalidArgument if the connection cannot work.
  static Result<std::unique_ptr<Cluster>> create(ClusterDependencies dependencies, ClusterSettings settings);
  ~Cluster();

  // Registers the node, then follows pods, services and what pods name.
  void start();
  // Requests end. Before the kubelet and the lane.
  void stop();

  // For questions of others; ends with this.
  api::client::ApiClient& client() { return *client_; }
  // Readiness or pressure changed: the node's status is looked at now.
  void poke() { reporter_.poke(); }
  void recordNodeEvent(const kubelet::node::NodeEvent& event);

 private:
  Cluster(ClusterDependencies dependencies, std::unique_ptr<api::client::ApiClient> client,
          ClusterSettings settings);
  kubelet::node::NodeListener nodeListener();
  void onPods(const kubelet::cluster::PodSource::Changes& changes, const std::vector<api::PodPtr>& pods);
  void onNode(const api::Node& node);
  void watchFollowers();
  void followServices();

  ClusterDependencies deps_;
  const ClusterSettings settings_;
  std::unique_ptr<api::client::ApiClient> client_;
  kubelet::cluster::ClusterPods pods_;
  kubelet::cluster::PodSource pod_source_;
  kubelet::cluster::ObjectCache objects_;
  std::shared_ptr<kubelet::cluster::ServiceAccountTokens> tokens_;
  std::unique_ptr<kubelet::node::NodeWatch> node_watch_;
  kubelet::node::NodeReporter reporter_;
  kubelet::node::NodeLease lease_;
  api::client::Informer<api::Service> services_;
  api::client::Informer<api::EndpointSlice> slices_;
  std::unique_ptr<kubelet::certificates::CertificateRenewal> renewal_;
  std::map<std::string, std::string> follow_errors_;  // told last, by what is followed
  Registration follow_check_;
  bool services_known_ = false, slices_known_ = false;  // the proxy was given all of them
  bool stopped_ = false;
};

}  // namespace keelson::agent
