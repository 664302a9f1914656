#include "kubelet/node/node_reporter.h"

#include <gmock/gmock.h>

#include "kubelet/node/node_conditions.h"
#include "tests/component/kubelet/node/node_world.h"
#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr char kPath[] = "/api/v1/nodes/node1";

// Tells what the server has, when a test says so or by itself.
class FakeWatch final : public NodeWatch {
 public:
  void start(Listener listener) override { listener_ = std::move(listener); }
  void stop() override { listener_ = nullptr; }
  void tell(std::shared_ptr<const api::Node> node) {
    if (listener_) listener_(std::move(node));
  }

 private:
  Listener listener_;
};

struct NodeReporterTest : NodeWorld {
  FakeWatch watch;
  NodeInput base = exampleInput();
  Readiness readiness;
  NodePressure pressure;
  ReporterSettings settings;
  std::vector<std::string> events;
  std::vector<std::vector<std::string>> pod_cidrs;
  int nodes_told = 0;
  std::unique_ptr<NodeReporter> reporter;

  NodeReporterTest() {
    settings.registration = {milliseconds(1), milliseconds(4), std::chrono::hours(1)};
    settings.start_check = milliseconds(1);
  }
  void start() {
    NodeListener listener;
    listener.on_pod_cidrs = [this](const auto& cidrs) { pod_cidrs.push_back(cidrs); };
    listener.on_node = [this](const auto&) { ++nodes_told; };
    listener.on_event = [this](const NodeEvent& event) { events.push_back(event.reason); };
    NodeSources sources;
    sources.readiness = [this] { return readiness; };
    sources.pressure = [this] { return pressure; };
    reporter =
        std::make_unique<NodeReporter>(ReporterDependencies{loop, clock, server, watch, [] { return 0.5; }},
                                       settings, base, sources, listener);
    reporter->start();
  }
  std::shared_ptr<const api::Node> onServer() {
    auto decoded = api::decode<api::Node>(server.objects.at(kPath));
    EXPECT_TRUE(decoded) << decoded.error().text;
    return std::make_shared<const api::Node>(std::move(decoded->value));
  }
  void registerNode() {
    start();
    ASSERT_TRUE(runUntil([&] { return reporter->stats().registered; }));
    settle();
  }
  bool has(const std::string& event) { return std::count(events.begin(), events.end(), event) > 0; }
};

TEST_F(NodeReporterTest, RegistersAndIsReadyAtOnce) {
  registerNode();
  EXPECT_TRUE(isReady(*onServer()));
  EXPECT_EQ(server.count("POST"), 1u);
  EXPECT_EQ(server.count("PATCH"), 0u);  // the POST said it all
  EXPECT_THAT(events, testing::ElementsAre("Starting", "NodeHasSufficientMemory", "NodeHasNoDiskPressure",
                                           "NodeHasSufficientPID"));
  for (const auto& request : server.seen) EXPECT_TRUE(request.heartbeat);
}

TEST_F(NodeReporterTest, TriesToRegisterUntilTheServerAnswers) {
  for (int i = 0; i < 6; ++i)
    server.fail["POST"].push_back(makeError(Code::kUnavailable, "connection refused"));
  registerNode();
  EXPECT_EQ(server.count("POST"), 7u);
  EXPECT_EQ(reporter->stats().last_error, "");
}

TEST_F(NodeReporterTest, CorrectsANodeThatIsThereAndKeepsItsSpec) {
  registerNode();
  reporter.reset();
  auto& metadata = server.objects[kPath]["metadata"].as_object();
  metadata["labels"].as_object()["kubernetes.io/hostname"] = "old";
  metadata["labels"].as_object()["team"] = "a";
  metadata["annotations"].as_object().clear();
  server.objects[kPath]["spec"].as_object()["unschedulable"] = true;
  registerNode();
  const auto node = onServer();
  EXPECT_EQ(node->metadata.labels.at("kubernetes.io/hostname"), "node1");
  EXPECT_EQ(node->metadata.labels.at("team"), "a");
  EXPECT_EQ(node->metadata.annotations.size(), 1u);
  EXPECT_TRUE(node->spec.unschedulable);
}

TEST_F(NodeReporterTest, UsesAnExistingNodeWhenItMayNotMakeOne) {
  registerNode();
  reporter.reset();
  server.fail["POST"].push_back(makeError(Code::kPermissionDenied, "403"));
  registerNode();
  EXPECT_TRUE(isReady(*onServer()));
}

TEST_F(NodeReporterTest, TellsAChangeAtOnceAndNothingWhenNothingChanged) {
  registerNode();
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 0u);
  pressure.disk = true;
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 1u);
  EXPECT_EQ(findCondition(onServer()->status.conditions, "DiskPressure")->status, "True");
  EXPECT_TRUE(has("NodeHasDiskPressure"));
}

TEST_F(NodeReporterTest, TellsAnUnchangedStatusWhenTheReportIsDue) {
  registerNode();
  clock.advance(minutes(4));
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 0u);
  clock.advance(minutes(1));
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 1u);
  EXPECT_EQ(findCondition(onServer()->status.conditions, "Ready")->last_heartbeat_time, clock.wall());
}

TEST_F(NodeReporterTest, LooksByItselfAtEveryTick) {
  settings.update_frequency = milliseconds(2);
  registerNode();
  pressure.memory = true;
  ASSERT_TRUE(runUntil([&] { return server.count("PATCH") > 0; }));
}

TEST_F(NodeReporterTest, IsReadySoonAfterItsProblemsAreGone) {
  readiness.problems = {"container runtime network not ready"};
  registerNode();
  EXPECT_FALSE(isReady(*onServer()));
  readiness.problems.clear();
  ASSERT_TRUE(runUntil([&] { return isReady(*onServer()); }));
  settle();
  EXPECT_TRUE(has("NodeReady"));
}

TEST_F(NodeReporterTest, ARestartDoesNotTurnAReadyNodeIntoAnother) {
  registerNode();
  reporter.reset();
  readiness.problems = {"starting"};
  registerNode();
  EXPECT_TRUE(isReady(*onServer()));
  clock.advance(seconds(16));  // the grace is over and it still is not up
  reporter->poke();
  settle();
  EXPECT_FALSE(isReady(*onServer()));
}

TEST_F(NodeReporterTest, AfterItWasReadyOnceAProblemIsToldAtOnce) {
  registerNode();
  readiness.problems = {"node is shutting down"};
  reporter->poke();
  settle();
  EXPECT_FALSE(isReady(*onServer()));
  EXPECT_TRUE(has("NodeNotReady"));
}

TEST_F(NodeReporterTest, TriesARoundFiveTimesFromFreshReads) {
  registerNode();
  for (int i = 0; i < 4; ++i) server.fail["PATCH"].push_back(makeError(Code::kFailedPrecondition, "409"));
  pressure.pid = true;
  const size_t reads = server.count("GET");
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 5u);
  EXPECT_EQ(server.count("GET") - reads, 4u);
  EXPECT_EQ(findCondition(onServer()->status.conditions, "PIDPressure")->status, "True");
  for (int i = 0; i < 20; ++i) server.fail["PATCH"].push_back(makeError(Code::kUnavailable, "500"));
  pressure.pid = false;
  reporter->poke();
  settle();
  EXPECT_EQ(server.count("PATCH"), 10u);
  EXPECT_NE(reporter->stats().last_error, "");
}

TEST_F(NodeReporterTest, HandsOnPodCidrsLabelsAndCordons) {
  registerNode();
  const int told = nodes_told;
  auto& object = server.objects[kPath];
  if (!object["spec"].is_object()) object["spec"] = json::object();
  object["spec"].as_object()["podCIDRs"] = {"10.244.1.0/24", "fd00:1::/64"};
  server.touch(kPath);
  watch.tell(onServer());
  watch.tell(onServer());
  EXPECT_THAT(pod_cidrs, testing::ElementsAre(testing::ElementsAre("10.244.1.0/24", "fd00:1::/64")));
  EXPECT_EQ(nodes_told, told + 1);
  object["spec"].as_object()["unschedulable"] = true;
  server.touch(kPath);
  watch.tell(onServer());
  EXPECT_TRUE(has("NodeNotSchedulable"));
}

TEST_F(NodeReporterTest, AnOlderVersionFromTheWatchDoesNotCountAfterAnAnswer) {
  registerNode();
  const auto before = onServer();
  pressure.disk = true;
  reporter->poke();
  settle();
  watch.tell(before);
  EXPECT_EQ(reporter->node()->metadata.resource_version, onServer()->metadata.resource_version);
  clock.advance(seconds(6));  // an API server with lost history: what it says counts in the end
  watch.tell(before);
  EXPECT_EQ(reporter->node()->metadata.resource_version, before->metadata.resource_version);
}

TEST_F(NodeReporterTest, SaysItIsThereWhenTheControlPlaneGaveItUp) {
  registerNode();
  for (auto& condition : server.objects[kPath]["status"].at("conditions").as_array())
    condition.as_object()["status"] = "Unknown";
  server.touch(kPath);
  watch.tell(onServer());
  settle();
  EXPECT_TRUE(isReady(*onServer()));
}

TEST_F(NodeReporterTest, ADeletedNodeComesBackCordonedAsItWas) {
  registerNode();
  auto cordoned = std::make_shared<api::Node>(*onServer());
  cordoned->spec.unschedulable = true;
  cordoned->spec.taints = {{"a", "b", "NoSchedule", {}}};
  cordoned->metadata.resource_version = "99";
  watch.tell(cordoned);
  server.objects.erase(kPath);
  watch.tell(nullptr);
  EXPECT_FALSE(reporter->stats().registered);
  ASSERT_TRUE(runUntil([&] { return reporter->stats().registered; }));
  EXPECT_TRUE(onServer()->spec.unschedulable);
  EXPECT_EQ(onServer()->spec.taints.size(), 1u);
}

TEST_F(NodeReporterTest, AFirstListFromBeforeTheRegistrationSaysNothing) {
  registerNode();
  watch.tell(nullptr);
  EXPECT_TRUE(reporter->stats().registered);
  EXPECT_EQ(server.count("POST"), 1u);
}

TEST_F(NodeReporterTest, ANodeThatIsGoneIsNoticedWithoutTheWatchToo) {
  registerNode();
  server.objects.erase(kPath);
  pressure.disk = true;
  reporter->poke();
  ASSERT_TRUE(runUntil([&] { return server.objects.contains(kPath); }));
}

TEST_F(NodeReporterTest, ADeletedNodeStaysAwayWhenToldSo) {
  settings.register_again = false;
  registerNode();
  watch.tell(onServer());
  server.objects.erase(kPath);
  watch.tell(nullptr);
  pressure.disk = true;
  reporter->poke();
  settle();
  EXPECT_FALSE(server.objects.contains(kPath));
}

TEST_F(NodeReporterTest, WithoutRegistrationItReportsANodeThatOthersMade) {
  registerNode();
  reporter.reset();
  settings.register_node = false;
  pressure.disk = true;
  start();
  ASSERT_TRUE(runUntil([&] { return server.count("PATCH") > 0; }));
  EXPECT_EQ(server.count("POST"), 1u);
}

TEST_F(NodeReporterTest, NothingComesAfterStop) {
  start();
  reporter->stop();
  settle();
  EXPECT_FALSE(reporter->stats().registered);
}

}  // namespace
}  // namespace keelson::kubelet::node
