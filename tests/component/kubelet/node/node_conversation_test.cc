// The reporter and the Lease against the stand-in API server, through the real informer.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "kubelet/node/node_conditions.h"
#include "kubelet/node/node_lease.h"
#include "kubelet/node/node_reporter.h"
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/fake_api_client.h"
#include "tests/fakes/fake_clock.h"
#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kNode[] = "/api/v1/nodes/node1";
constexpr char kLease[] = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1";

struct NodeConversation : testing::Test {
  Loop loop;
  FakeClock clock;
  fakes::ApiServer server{clock, {.allocate_pod_cidrs = true}};
  fakes::FakeApiClient client{loop, server};
  Lane lane{"decode", 1};
  std::unique_ptr<NodeWatch> watch = makeNodeWatch(loop, lane, client, "node1");
  Readiness readiness{{"network is not ready"}};
  NodePressure pressure;
  std::vector<std::string> events;
  std::unique_ptr<NodeReporter> reporter;
  std::unique_ptr<NodeLease> lease;

  void start(NodeInput base = exampleInput()) {
    ReporterSettings settings;
    settings.registration = {milliseconds(1), milliseconds(4), std::chrono::hours(1)};
    settings.start_check = milliseconds(1);
    NodeListener listener;
    listener.on_pod_cidrs = [this](const auto&) {  // as the network does once it has its ranges
      readiness.problems.clear();
      reporter->poke();
    };
    listener.on_event = [this](const NodeEvent& event) { events.push_back(event.reason); };
    NodeSources sources;
    sources.readiness = [this] { return readiness; };
    sources.pressure = [this] { return pressure; };
    reporter =
        std::make_unique<NodeReporter>(ReporterDependencies{loop, clock, client, *watch, [] { return 0.5; }},
                                       settings, base, sources, listener);
    lease = std::make_unique<NodeLease>(
        NodeLease::Dependencies{loop, clock, client,
                                [this] { return reporter->node() ? reporter->node()->metadata.uid : ""; },
                                [] { return 0.5; }},
        LeaseSettings{.node_name = "node1",
                      .renew_every = milliseconds(5),
                      .ensure = {milliseconds(1), milliseconds(4), std::chrono::hours(1)}});
    reporter->start();
    lease->start();
  }
  void stop() {
    lease.reset();
    reporter.reset();
  }
  ~NodeConversation() override {
    stop();
    watch.reset();
    lane.join();
  }
  bool runUntil(const std::function<bool()>& so) {
    bool reached = so();
    if (reached) return true;
    const auto poll = loop.every(milliseconds(1), [&] {
      reached = so();
      if (reached) loop.stop();
    });
    const auto deadline = loop.after(seconds(10), [&] { loop.stop(); });
    loop.context().restart();
    loop.run();
    return reached;
  }
  // As the server has it; nothing when it has none.
  std::optional<api::Node> onServer() {
    auto decoded = api::decode<api::Node>(server.get(kNode).body);
    if (!decoded || decoded->value.metadata.uid.empty()) return std::nullopt;
    return decoded->value;
  }
  bool isReadyOnServer() {
    const auto node = onServer();
    return node && isReady(*node);
  }
};

TEST_F(NodeConversation, ANodeRegistersGetsItsRangeAndBecomesReady) {
  start();
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer() && lease->stats().renewals > 1; }));
  const auto node = onServer();
  EXPECT_EQ(node->spec.pod_cidrs.size(), 1u);
  EXPECT_EQ(node->status.kubelet_port, 10250);
  const json::value held = server.get(kLease).body;
  EXPECT_EQ(held.at("spec").at("holderIdentity"), "node1");
  EXPECT_EQ(std::string(held.at("metadata").at("ownerReferences").at(0).at("uid").as_string()),
            node->metadata.uid);
}

TEST_F(NodeConversation, AnOutageLeavesTheTruthInTheEnd) {
  start();
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer(); }));
  client.disconnect();
  pressure.memory = true;
  reporter->poke();
  ASSERT_TRUE(runUntil([&] { return !reporter->stats().last_error.empty(); }));
  client.connect();
  reporter->poke();
  ASSERT_TRUE(runUntil(
      [&] { return findCondition(onServer()->status.conditions, "MemoryPressure")->status == "True"; }));
}

TEST_F(NodeConversation, ALostAnswerDoesNotRepeatATransition) {
  start();
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer(); }));
  clock.advance(seconds(20));
  client.loseAnswer("PATCH /api/v1/nodes/node1/status");
  pressure.disk = true;
  reporter->poke();
  ASSERT_TRUE(runUntil([&] {
    return findCondition(onServer()->status.conditions, "DiskPressure")->status == "True" &&
           reporter->stats().last_error.empty();
  }));
  EXPECT_EQ(findCondition(onServer()->status.conditions, "DiskPressure")->last_transition_time, clock.wall());
  EXPECT_EQ(std::count(events.begin(), events.end(), "NodeHasDiskPressure"), 1);
}

TEST_F(NodeConversation, AddressesOfBothFamiliesAreReplacedAsAWhole) {
  NodeInput base = exampleInput();
  start(base);
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer(); }));
  reporter->setMachine(base.facts, {ip("2001:db8::10"), ip("192.0.2.11")});
  ASSERT_TRUE(runUntil([&] { return onServer()->status.addresses.size() == 3; }));
  EXPECT_EQ(onServer()->status.addresses[0].address, "2001:db8::10");
  EXPECT_EQ(onServer()->status.addresses[1].address, "192.0.2.11");
}

TEST_F(NodeConversation, AConditionOfAnotherIsKept) {
  start();
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer(); }));
  const json::value patch = {
      {"status", {{"conditions", {{{"type", "KernelDeadlock"}, {"status", "False"}, {"reason", "x"}}}}}}};
  ASSERT_LT(server.patch(std::string(kNode) + "/status", patch).code, 300);
  ASSERT_TRUE(runUntil(
      [&] { return findCondition(reporter->node()->status.conditions, "KernelDeadlock") != nullptr; }));
  pressure.pid = true;
  reporter->poke();
  ASSERT_TRUE(runUntil(
      [&] { return findCondition(onServer()->status.conditions, "PIDPressure")->status == "True"; }));
  EXPECT_NE(findCondition(onServer()->status.conditions, "KernelDeadlock"), nullptr);
}

TEST_F(NodeConversation, ADeletedNodeComesBackWithItsCordon) {
  start();
  ASSERT_TRUE(runUntil([&] { return isReadyOnServer(); }));
  const std::string uid = onServer()->metadata.uid;
  ASSERT_LT(server.patch(kNode, {{"spec", {{"unschedulable", true}}}}).code, 300);
  ASSERT_TRUE(runUntil([&] { return reporter->node() && reporter->node()->spec.unschedulable; }));
  ASSERT_LT(server.remove(kNode).code, 300);
  ASSERT_TRUE(runUntil([&] { return onServer() && onServer()->metadata.uid != uid; }));
  EXPECT_TRUE(onServer()->spec.unschedulable);
  // The Lease follows its new Node.
  ASSERT_TRUE(runUntil([&] {
    const json::value held = server.get(kLease).body;
    return held.at("metadata").at("ownerReferences").at(0).at("uid") ==
           json::string(onServer()->metadata.uid);
  }));
}

}  // namespace
}  // namespace keelson::kubelet::node
