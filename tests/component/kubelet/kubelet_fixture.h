// A kubelet over strict fakes, with a manifest folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/pod.h"
#include "base/executor.h"
#include "kubelet/kubelet.h"
#include "tests/component/kubelet/call_counting.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_host_paths.h"
#include "tests/fakes/fake_images.h"
#include "tests/fakes/fake_network.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet {

namespace fs = std::filesystem;

// The test's thread is the loop's: runUntil() turns it until something is so. The fake world outlives the
// kubelet, as the machine outlives the daemon.
struct KubeletFixture : testing::Test {
  TempDir temp;
  FakeClock clock;
  Loop loop;
  fakes::FakeRuntime runtime{loop, clock, temp / "tmpfs"};
  fakes::FakeImages images;
  fakes::FakeNetwork network;
  fakes::FakeHostPaths host_paths{temp / "host"};
  std::unique_ptr<Lane> pods_lane, images_lane, volumes_lane;
  std::unique_ptr<CallCounting> counting;
  std::unique_ptr<Kubelet> kubelet;
  int max_pods = 110;
  bool wait_for_api = false;

  KubeletFixture() {
    for (const char* name : {"manifests", "tmpfs", "host", "root", "logs", "links"})
      fs::create_directories(temp / name);
    images.putLocal("nginx:1");
    images.putLocal("alpine:3");
  }
  ~KubeletFixture() override { stop(); }

  Options options() const {
    Options made;
    made.node_name = "node1";
    made.node_ips = {IpAddress::parse("192.0.2.1").value()};
    made.static_pod_path = temp / "manifests";
    made.root_dir = temp / "root";
    made.pod_logs_dir = temp / "logs";
    made.container_logs_dir = temp / "links";
    made.file_check_frequency = std::chrono::seconds(20);
    made.max_pods = max_pods;
    made.wait_for_api = wait_for_api;
    made.node_memory = Bytes{int64_t{8} << 30};
    made.node_cpu = Millicpu{4000};
    return made;
  }

  // A new life of the daemon over the same world.
  void start() {
    pods_lane = std::make_unique<Lane>("pods", 2);
    images_lane = std::make_unique<Lane>("images", 2);
    volumes_lane = std::make_unique<Lane>("volumes", 2);
    counting = std::make_unique<CallCounting>(runtime, network);
    const Dependencies dependencies{loop,          *pods_lane, *images_lane,
                                    *volumes_lane, clock,      counting->runtime(),
                                    images,        host_paths, counting->network()};
    kubelet = makeKubelet(options(), dependencies);
    if (wait_for_api) kubelet->setObjects(knownObjects(), {});
    const auto started = kubelet->start();
    ASSERT_TRUE(started) << started.error().text;
  }
  // A cluster without services: containers wait until these are known.
  static ObjectStorePtr knownObjects() {
    auto cluster = std::make_shared<ClusterObjects>();
    cluster->services = std::make_shared<const ObjectMap<api::Service>>();
    cluster->runtime_classes = std::make_shared<const ObjectMap<api::RuntimeClass>>();
    auto store = std::make_shared<ObjectStore>();
    store->cluster = std::move(cluster);
    return store;
  }
  void stop() {
    if (!kubelet) return;
    kubelet->stop();
    images.releasePulls();
    for (auto* lane : {&pods_lane, &images_lane, &volumes_lane}) (*lane)->join();
    kubelet.reset();
    for (auto* lane : {&pods_lane, &images_lane, &volumes_lane}) lane->reset();
  }
  void restart() {
    stop();
    start();
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(temp / ("." + name)) << text;
    fs::rename(temp / ("." + name), temp / ("manifests/" + name));
  }
  void remove(const std::string& name) { fs::remove(temp / ("manifests/" + name)); }

  static std::string podText(const std::string& name, const std::string& spec = "",
                             const std::string& container = "image: 'nginx:1', command: [serve]") {
    return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n" + spec +
           "  containers:\n  - {name: web, " + container + "}\n";
  }

  // Turns the loop until `so` holds; fails the test after ten seconds.
  bool runUntil(const std::string& what, const std::function<bool()>& so) {
    bool reached = so();
    if (reached) return true;
    const auto poll = loop.every(std::chrono::milliseconds(1), [&] {
      reached = so();
      if (reached) loop.stop();
    });
    const auto deadline = loop.after(std::chrono::seconds(10), [&] { loop.stop(); });
    loop.context().restart();  // stop() of an earlier turn counts until then
    loop.run();
    EXPECT_TRUE(reached) << "never came: " << what << "\n" << describe();
    return reached;
  }

  std::shared_ptr<const PodView> view(const std::string& name) const {
    const auto found = kubelet->pod("default", name);
    return found ? *found : nullptr;
  }
  std::string phase(const std::string& name) const {
    const auto seen = view(name);
    return seen ? seen->pod->status.phase : "gone";
  }
  PodUid uid(const std::string& name) const {
    const auto seen = view(name);
    return PodUid(seen ? seen->pod->metadata.uid : "");
  }
  std::optional<api::ContainerStatus> container(const std::string& pod, size_t index = 0) const {
    const auto seen = view(pod);
    if (!seen || seen->pod->status.container_statuses.size() <= index) return std::nullopt;
    return seen->pod->status.container_statuses[index];
  }
  std::string waitingReason(const std::string& pod) const {
    const auto status = container(pod);
    return status && status->state.waiting ? status->state.waiting->reason : "";
  }
  bool runs(const std::string& pod, int restarts = 0) const {
    const auto status = container(pod);
    return status && status->state.running && status->restart_count == restarts;
  }
  bool untilRunning(const std::string& pod, int restarts = 0) {
    return runUntil(pod + " runs", [&] { return runs(pod, restarts); });
  }
  bool hasEvent(const std::string& pod, const std::string& reason, const std::string& text = "") const {
    const auto seen = view(pod);
    if (!seen) return false;
    for (const auto& event : seen->events) {
      if (event.reason == reason && event.message.find(text) != std::string::npos) return true;
    }
    return false;
  }
  // The clock moves and every pod is looked at, as its own timer would do in real time.
  void pass(Duration time) {
    clock.advance(time);
    runtime.tick();
    for (const auto& seen : kubelet->pods()) wake(PodUid(seen->pod->metadata.uid));
  }
  void wake(const PodUid& uid) { counting->notify(uid); }

  // What is left of pods, empty if nothing is.
  std::string leftovers() const {
    std::string left;
    for (const auto& uid : runtime.list().value()) left += "sandbox " + uid.str() + "\n";
    for (const auto& entry : network.list()) left += "network " + entry.full_name + "\n";
    for (const char* folder : {"root/pods", "logs", "links"}) {
      if (!fs::exists(temp / folder)) continue;
      for (const auto& entry : fs::directory_iterator(temp / folder)) left += entry.path().string() + "\n";
    }
    return left;
  }
  std::string describe() const {
    std::string text;
    if (!kubelet) return text;
    for (const auto& seen : kubelet->pods()) {
      text += seen->pod->metadata.name + " " + seen->pod->status.phase +
              ", waits for: " + seen->current_wait + "\n";
      for (const auto& entry : seen->timeline) text += "  " + entry.step + " " + entry.outcome + "\n";
      for (const auto& event : seen->events) text += "  event " + event.reason + ": " + event.message + "\n";
    }
    for (const auto& file : kubelet->manifests()) text += file.file + ": " + file.error + "\n";
    return text;
  }
};

}  // namespace keelson::kubelet
