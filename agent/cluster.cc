#include "agent/cluster.h"

namespace keelson::agent {

using api::client::ApiClient;

Result<std::unique_ptr<Cluster>> Cluster::create(Loop& loop, Lane& lane, Clock& clock,
                                                 kubelet::Kubelet& kubelet, ClusterSettings settings) {
  auto client = TRY_CTX(api::client::makeHttpApiClient(loop, lane, settings.client), "API client of {}",
                        settings.client.connection.server);
  return std::unique_ptr<Cluster>(
      new Cluster(loop, lane, clock, kubelet, std::move(client), std::move(settings)));
}

Cluster::Cluster(Loop& loop, Lane& lane, Clock& clock, kubelet::Kubelet& kubelet,
                 std::unique_ptr<ApiClient> client, ClusterSettings settings)
    : client_(std::move(client)),
      pods_(loop, clock, *client_, kubelet, settings.pods),
      source_(loop, lane, *client_, settings.pods.node_name, settings.follow) {}

Cluster::~Cluster() { stop(); }

void Cluster::start() {
  source_.start([this](const auto& changes, const auto& all_pods) { pods_.apiChanged(changes, all_pods); });
}

void Cluster::stop() {
  source_.stop();
  pods_.stop();
}

}  // namespace keelson::agent
