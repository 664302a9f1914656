// The kubelet, real informers and the stand-in API server.
#include "api/codec.h"
#include "api/defaults.h"
#include "kubelet/cluster/cluster_pods.h"
#include "kubelet/cluster/pod_source.h"
#include "tests/component/kubelet/kubelet_fixture.h"
#include "tests/fakes/fake_api_client.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kPods[] = "/api/v1/namespaces/default/pods";

struct Joined : KubeletFixture {
  fakes::ApiServer server{clock, settings()};
  std::unique_ptr<fakes::FakeApiClient> client;
  std::unique_ptr<Lane> decoders;
  std::unique_ptr<ClusterPods> cluster;
  std::unique_ptr<PodSource> source;
  bool connected = true;

  Joined() { wait_for_api = true; }
  ~Joined() override { leave(); }

  static fakes::ServerSettings settings() {
    fakes::ServerSettings made;
    made.service_account_admission = false;
    return made;
  }
  void join() {
    start();
    decoders = std::make_unique<Lane>("decoders", 1);
    client = std::make_unique<fakes::FakeApiClient>(loop, server);
    if (!connected) client->disconnect();
    const BackoffPolicy quick{milliseconds(2), milliseconds(8), seconds(1)};
    ClusterPods::Settings made;
    made.node_name = "node1";
    made.status.retry = made.events.retry = made.mirror_retry = quick;
    cluster = std::make_unique<ClusterPods>(loop, clock, *client, *kubelet, made);
    cluster->setNodeUid("node-uid");
    api::client::FollowSettings follow;
    follow.backoff = quick;
    source = std::make_unique<PodSource>(loop, *decoders, *client, "node1", follow);
    source->start([this](const auto& changes, const auto& pods) { cluster->apiChanged(changes, pods); });
  }
  void leave() {
    if (!cluster) return;
    source->stop();
    cluster->stop();
    cluster.reset();
    source.reset();
    stop();
    decoders->join();
    decoders.reset();
    client.reset();
  }
  void connect(bool is_connected) {
    connected = is_connected;
    if (!client) return;
    is_connected ? client->connect() : client->disconnect();
  }

  static std::string path(const std::string& name) { return std::string(kPods) + "/" + name; }
  void create(const std::string& name, const std::string& spec = "") {
    auto manifest = api::decodeManifest(podText(name, spec));
    api::Pod pod = api::defaultPod(std::get<api::Pod>(manifest.value().objects.at(0)));
    pod.spec.node_name = "node1";
    json::value value = api::encode(pod);
    value.as_object().erase("status");
    const auto answer = server.create(kPods, std::move(value));
    ASSERT_EQ(answer.code, 201) << json::serialize(answer.body);
  }
  void erase(const std::string& name, int64_t grace) {
    const auto answer = server.remove(path(name), json::object{{"gracePeriodSeconds", grace}});
    ASSERT_EQ(answer.code, 200) << json::serialize(answer.body);
  }
  std::optional<api::Pod> get(const std::string& name) {
    const auto answer = server.get(path(name));
    if (answer.code != 200) return std::nullopt;
    auto pod = api::decode<api::Pod>(answer.body);
    EXPECT_TRUE(pod) << pod.error().text;
    return pod->value;
  }
  bool shownRunning(const std::string& name, int restarts = 0) {
    const auto pod = get(name);
    if (!pod || pod->status.phase != "Running" || pod->status.container_statuses.empty()) return false;
    return pod->status.container_statuses[0].state.running &&
           pod->status.container_statuses[0].restart_count == restarts;
  }
  bool untilShownRunning(const std::string& name, int restarts = 0) {
    return runUntil(name + " is shown Running", [&] { return shownRunning(name, restarts); });
  }
  bool untilGone(const std::string& name) {
    return runUntil(name + " is gone", [&] { return !get(name) && !view(name); });
  }
  bool settle() {
    return runUntil("quiet", [&, turns = 0, seen = size_t{0}]() mutable {
      const auto stats = cluster->status().stats();
      const bool busy = stats.in_flight + stats.waiting > 0 || client->requests().size() != seen;
      seen = client->requests().size();
      turns = busy ? 0 : turns + 1;
      return turns > 30;
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
};

TEST_F(Joined, APodComesRunsAndGoes) {
  join();
  create("web");
  ASSERT_TRUE(untilShownRunning("web"));
  const auto pod = get("web");
  EXPECT_EQ(pod->status.qos_class, "BestEffort");
  EXPECT_EQ(pod->status.pod_ips.size(), 1u);
  erase("web", 30);
  ASSERT_TRUE(untilGone("web"));
  EXPECT_EQ(leftovers(), "");
  EXPECT_EQ(client->count("DELETE"), 1u);
}

TEST_F(Joined, AForcedDeletionIsFollowed) {
  join();
  create("web");
  ASSERT_TRUE(untilShownRunning("web"));
  erase("web", 0);
  EXPECT_FALSE(get("web"));
  ASSERT_TRUE(untilGone("web"));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Joined, ARestartWritesNothing) {
  join();
  write("static.yaml", podText("static"));
  create("web");
  create("job", "  restartPolicy: Never\n");
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(untilShownRunning("job"));
  ASSERT_TRUE(untilShownRunning("static-node1"));
  runtime.exitContainer(uid("job"), "web", 3);
  ASSERT_TRUE(runUntil("the job has failed", [&] { return get("job")->status.phase == "Failed"; }));
  ASSERT_TRUE(settle());
  leave();
  clock.advance(seconds(77));
  join();
  ASSERT_TRUE(runUntil("all are seen", [&] {
    return source->synced() && view("web")->observed && view("job")->observed && view("static")->observed;
  }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(client->count("PATCH") + client->count("POST") + client->count("DELETE"), 0u);
}

TEST_F(Joined, ADeadApiServerChangesNothingAndIsToldAllWhenItIsBack) {
  join();
  create("web");
  create("other");
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(untilShownRunning("other"));
  connect(false);
  leave();
  erase("other", 0);
  create("late");
  join();
  ASSERT_TRUE(untilRunning("web"));
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_EQ(running(), 2u);
  connect(true);
  ASSERT_TRUE(untilShownRunning("web", 1));
  ASSERT_TRUE(untilShownRunning("late"));
  ASSERT_TRUE(untilGone("other"));
}

TEST_F(Joined, BrokenStreamsAndLostAnswersEndInTheRightState) {
  join();
  create("web");
  client->failNext("PATCH", 500, 3);
  client->loseAnswer("/status", 2);
  ASSERT_TRUE(untilShownRunning("web"));
  for (int restarts = 1; restarts < 4; ++restarts) {
    client->cutStreams();
    client->loseAnswer("/status", 1);
    client->failNext("PATCH", 429, 1);
    runtime.exitContainer(uid("web"), "web", 1);
    if (restarts > 1) pass(seconds(300));
    ASSERT_TRUE(untilShownRunning("web", restarts));
  }
  client->failNext("DELETE", 500, 2);
  client->loseAnswer("DELETE", 1);
  client->cutStreams();
  erase("web", 5);
  ASSERT_TRUE(untilGone("web"));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Joined, WhatOthersPutIntoTheStatusStays) {
  join();
  create("web", "  readinessGates: [{conditionType: example.com/lb}]\n");
  ASSERT_TRUE(untilShownRunning("web"));
  const auto answer = server.patch(
      path("web") + "/status",
      parseJson(R"({"status":{"conditions":[{"type":"example.com/lb","status":"True"}]}})").value());
  ASSERT_EQ(answer.code, 200);
  ASSERT_TRUE(runUntil("ready", [&] {
    const auto pod = get("web");
    const auto& all = pod->status.conditions;
    return std::any_of(all.begin(), all.end(),
                       [](const auto& one) { return one.type == "Ready" && one.status == "True"; });
  }));
}

TEST_F(Joined, AStaticPodHasItsMirror) {
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  const auto first = get("web-node1");
  EXPECT_EQ(first->metadata.annotations.at("kubernetes.io/config.mirror"), uid("web").str());
  erase("web-node1", 30);
  ASSERT_TRUE(runUntil("made again", [&] {
    const auto pod = get("web-node1");
    return pod && pod->metadata.uid != first->metadata.uid && shownRunning("web-node1");
  }));
  EXPECT_EQ(running(), 1u);
  remove("web.yaml");
  ASSERT_TRUE(untilGone("web-node1"));
}

TEST_F(Joined, EventsStandInTheApiServer) {
  join();
  create("web");
  ASSERT_TRUE(untilShownRunning("web"));
  const auto reasons = [&] {
    std::string all;
    const auto list = server.get("/apis/events.k8s.io/v1/namespaces/default/events");
    const json::array& items = list.body.at("items").as_array();
    for (const auto& event : items) all += json::value_to<std::string>(event.at("reason")) + " ";
    return all;
  };
  ASSERT_TRUE(runUntil("told", [&] { return reasons().find("Started") != std::string::npos; })) << reasons();
}

TEST_F(Joined, AStormOfRestartsAndFaultsEndsWithOneOfEach) {
  join();
  for (int i = 0; i < 8; ++i) create("web" + std::to_string(i));
  for (int round = 0; round < 10; ++round) {
    client->failNext("PATCH", 500, round % 3);
    client->loseAnswer("/status", round % 2);
    runUntil("a moment", [turns = round % 4]() mutable { return turns-- <= 0; });
    const std::string name = "web" + std::to_string(round % 8);
    if (round % 2 == 0 && get(name)) erase(name, round % 4 == 0 ? 0 : 1);
    leave();
    join();
    if (!get(name)) create(name);
    EXPECT_LE(running(), 16u);
  }
  ASSERT_TRUE(runUntil("one of each runs", [&] {
    for (int i = 0; i < 8; ++i) {
      if (!get("web" + std::to_string(i))) create("web" + std::to_string(i));
      if (!shownRunning("web" + std::to_string(i))) return false;
    }
    return running() == 8 && runtime.list()->size() == 8;
  }));
}

}  // namespace
}  // namespace keelson::kubelet::cluster
