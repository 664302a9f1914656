// A kubelet joined to a small API server.
#pragma once

#include "api/defaults.h"
#include "api/object.h"
#include "kubelet/cluster/cluster_pods.h"
#include "tests/component/kubelet/cluster/pods_api.h"
#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet::cluster {

struct ClusterFixture : KubeletFixture {
  PodsApi server{loop, clock};
  std::unique_ptr<ClusterPods> cluster;

  ClusterFixture() { wait_for_api = true; }
  ~ClusterFixture() override { leave(); }

  // A life of the daemon, joined.
  void join() {
    start();
    ClusterPods::Settings settings;
    settings.node_name = "node1";
    settings.status.retry = {std::chrono::milliseconds(2), std::chrono::milliseconds(8),
                             std::chrono::seconds(1)};
    settings.events.retry = settings.mirror_retry = settings.status.retry;
    cluster = std::make_unique<ClusterPods>(loop, clock, server, *kubelet, settings);
    cluster->setNodeUid("node-uid");
    server.watch([this](const auto& changes, const auto& pods) { cluster->apiChanged(changes, pods); });
  }
  void leave() {
    server.unwatch();
    if (cluster) cluster->stop();
    cluster.reset();
    stop();
  }
  void rejoin() {
    leave();
    join();
  }

  static api::Pod apiPod(const std::string& name, const std::string& spec = "",
                         const std::string& container = "image: 'nginx:1', command: [serve]") {
    auto manifest = api::decodeManifest(podText(name, spec, container));
    api::Pod pod = api::defaultPod(std::get<api::Pod>(manifest.value().objects.at(0)));
    pod.spec.node_name = "node1";
    return pod;
  }
  bool shownRunning(const std::string& name, int restarts = 0) const {
    const auto pod = server.pod(name);
    if (!pod || pod->status.phase != "Running" || pod->status.container_statuses.empty()) return false;
    const auto& container = pod->status.container_statuses[0];
    return container.state.running && container.restart_count == restarts;
  }
  bool untilShownRunning(const std::string& name, int restarts = 0) {
    return runUntil(name + " is shown Running", [&] { return shownRunning(name, restarts); });
  }
  bool untilPhase(const std::string& name, const std::string& phase) {
    return runUntil(name + " is " + phase, [&] { return server.phase(name) == phase; });
  }
  // Everything that is under way has ended.
  bool settle() {
    return runUntil("quiet", [&, turns = 0]() mutable {
      const auto stats = cluster->status().stats();
      turns = stats.in_flight + stats.waiting + cluster->events().stats().waiting == 0 ? turns + 1 : 0;
      return turns > 20;
    });
  }
  size_t running() const {
    size_t count = 0;
    for (const auto& uid : runtime.list().value()) {
      const auto pod = runtime.pod(uid);
      for (const auto& one : pod->containers) count += one.observed.running ? 1 : 0;
    }
    return count;
  }
  size_t started() const {
    const auto calls = runtime.calls();
    return static_cast<size_t>(std::count_if(
        calls.begin(), calls.end(), [](const auto& call) { return call.rfind("startContainer", 0) == 0; }));
  }
};

}  // namespace keelson::kubelet::cluster
