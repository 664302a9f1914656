#include "tests/component/kubelet/cluster/cluster_fixture.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::seconds;

struct ApiPods : ClusterFixture {};

const api::PodCondition* conditionOf(const api::PodStatus& status, const std::string& type) {
  for (const auto& condition : status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

TEST_F(ApiPods, APodRunsAndItsStatusIsComplete) {
  join();
  const auto made = server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const api::PodStatus status = server.pod("web")->status;
  EXPECT_EQ(status.pod_ips, std::vector<std::string>{"10.244.0.2"});
  EXPECT_EQ(status.host_ips, std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(status.observed_generation, 1);
  EXPECT_EQ(status.start_time, clock.wall());
  const auto& container = status.container_statuses.at(0);
  EXPECT_EQ(container.container_id.rfind("keelson://", 0), 0u);
  EXPECT_TRUE(container.resources);
  for (const char* type :
       {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
    const auto* condition = conditionOf(status, type);
    ASSERT_TRUE(condition) << type;
    EXPECT_EQ(condition->status, "True") << type;
    EXPECT_EQ(condition->observed_generation, 1) << type;
  }
  EXPECT_EQ(view("web")->source, kApiSource);
  EXPECT_EQ(server.count("DELETE"), 0u);
}

TEST_F(ApiPods, ADeletedPodIsRemovedOnlyAfterItsEnd) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  server.remove("web", 7);
  ASSERT_TRUE(runUntil("told to stop", [&] { return !runtime.pod(id)->containers.at(0).stops.empty(); }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops, (std::vector<std::pair<int, Duration>>{{15, seconds(7)}}));
  pass(seconds(6));
  ASSERT_TRUE(settle());
  EXPECT_TRUE(server.pod("web"));
  pass(seconds(1));
  ASSERT_TRUE(untilPhase("web", "gone"));
  EXPECT_EQ(leftovers(), "");
  ASSERT_EQ(server.deleted.size(), 1u);
  EXPECT_EQ(server.deleted[0]->status.phase, "Failed");
  EXPECT_EQ(server.deleted[0]->status.container_statuses.at(0).state.terminated->exit_code, 137);
  EXPECT_EQ(server.deleted[0]->status.pod_ips, std::vector<std::string>{"10.244.0.2"});
  ASSERT_TRUE(runUntil("it is not shown any more", [&] { return !view("web"); }));
}

TEST_F(ApiPods, AGracePeriodCanOnlyShrinkAndCountsFromTheNewDeletion) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  server.remove("web", 100);
  ASSERT_TRUE(runUntil("told", [&] { return runtime.pod(id)->containers.at(0).stops.size() == 1; }));
  pass(seconds(20));
  server.remove("web", 10);
  ASSERT_TRUE(runUntil("told again", [&] { return runtime.pod(id)->containers.at(0).stops.size() == 2; }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops[1].second, seconds(10));
  pass(seconds(10));
  ASSERT_TRUE(untilPhase("web", "gone"));
}

TEST_F(ApiPods, AnObjectThatIsGoneMeansTwoSecondsForItsContainers) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  server.erase("web");
  ASSERT_TRUE(runUntil("told to stop", [&] { return !runtime.pod(id)->containers.at(0).stops.empty(); }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops[0].second, seconds(2));
  pass(seconds(2));
  ASSERT_TRUE(runUntil("gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
  EXPECT_EQ(server.count("DELETE"), 0u);
}

TEST_F(ApiPods, ASuccessorOfTheSameNameWaitsForThePodBeforeIt) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid old = uid("web");
  server.erase("web");
  const auto next = server.create(apiPod("web"));
  ASSERT_TRUE(runUntil("told to stop", [&] { return !runtime.pod(old)->containers.at(0).stops.empty(); }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(server.phase("web"), "Pending");
  EXPECT_TRUE(server.pod("web")->status.container_statuses.empty()) << "nothing is told of a pod that waits";
  pass(seconds(2));
  ASSERT_TRUE(untilShownRunning("web"));
  EXPECT_EQ(running(), 1u);
  EXPECT_TRUE(runtime.pod(PodUid(next->metadata.uid)));
}

TEST_F(ApiPods, ARestartWritesNothing) {
  join();
  server.create(apiPod("web"));
  server.create(apiPod("job", "  restartPolicy: Never\n"));
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(untilShownRunning("job"));
  runtime.exitContainer(uid("job"), "web", 0);
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilPhase("job", "Succeeded"));
  ASSERT_TRUE(untilShownRunning("web", 1));
  ASSERT_TRUE(settle());
  const size_t requests = server.requests().size();
  const size_t starts = started();
  clock.advance(seconds(100));
  rejoin();
  ASSERT_TRUE(runUntil("looked at", [&] { return view("web")->observed && view("job")->observed; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.requests().size(), requests)
      << server.requests().back() << " " << json::serialize(server.bodies.back());
  EXPECT_EQ(started(), starts);
}

TEST_F(ApiPods, WithADeadApiServerPodsRunOnAcrossARestartAndRestartByTheirPolicy) {
  join();
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  server.cut(true);
  rejoin();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(uid("web"), id);
  EXPECT_EQ(started(), 1u);
  runtime.exitContainer(id, "web", 1);
  ASSERT_TRUE(untilRunning("web", 1));
  server.cut(false);
  ASSERT_TRUE(untilShownRunning("web", 1));
  EXPECT_EQ(running(), 1u);
}

TEST_F(ApiPods, PodsDeletedWhileTheDaemonWasDownEnd) {
  join();
  server.create(apiPod("soft"));
  server.create(apiPod("hard"));
  ASSERT_TRUE(untilShownRunning("soft"));
  ASSERT_TRUE(untilShownRunning("hard"));
  leave();
  server.remove("soft", 30);
  server.erase("hard");
  join();
  ASSERT_TRUE(untilPhase("soft", "gone"));
  ASSERT_TRUE(runUntil("both are gone", [&] { return kubelet->pods().empty(); }));
  EXPECT_EQ(leftovers(), "");
  EXPECT_EQ(server.count("DELETE"), 1u);
}

TEST_F(ApiPods, NothingIsTornDownBeforeTheFirstList) {
  join();
  server.create(apiPod("kept"));
  server.create(apiPod("orphan"));
  ASSERT_TRUE(untilShownRunning("kept"));
  ASSERT_TRUE(untilShownRunning("orphan"));
  const PodUid kept = uid("kept");
  const PodUid orphan = uid("orphan");
  ASSERT_TRUE(settle());
  leave();
  for (const auto& one : {kept, orphan})
    fs::remove_all(temp / ("root/pods/" + one.str() + "/keelson"));  // even of those nobody can place
  server.erase("orphan");
  server.cut(true);
  write("static.yaml", podText("static"));
  join();
  ASSERT_TRUE(untilRunning("static"));
  EXPECT_EQ(running(), 3u);
  server.cut(false);
  ASSERT_TRUE(runUntil("the orphan is gone", [&] { return running() == 2; }));
  ASSERT_TRUE(untilRunning("kept"));
  EXPECT_EQ(uid("kept"), kept);
  EXPECT_EQ(started(), 3u);
}

TEST_F(ApiPods, ADeletedPodOfWhichNothingIsHereIsFinished) {
  const auto pod = server.create(apiPod("web"));
  server.remove("web");
  join();
  ASSERT_TRUE(untilPhase("web", "gone"));
  EXPECT_EQ(server.deleted.at(0)->status.phase, "Failed");
  EXPECT_EQ(started(), 0u);
}

TEST_F(ApiPods, ADeletionThatOutlivesTheDaemonIsFinishedByTheNextOne) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  server.remove("web", 30);
  ASSERT_TRUE(runUntil("told to stop", [&] { return !runtime.pod(id)->containers.at(0).stops.empty(); }));
  server.cut(true);
  pass(seconds(10));
  rejoin();
  pass(seconds(19));
  EXPECT_EQ(running(), 1u);
  pass(seconds(1));
  ASSERT_TRUE(runUntil("nothing is left", [&] { return leftovers().empty(); }));
  EXPECT_TRUE(server.pod("web"));
  server.cut(false);
  ASSERT_TRUE(untilPhase("web", "gone"));
}

TEST_F(ApiPods, APodThatIsOverIsNotStartedAgain) {
  api::Pod pod = apiPod("job", "  restartPolicy: Never\n");
  pod.status.phase = "Succeeded";
  pod.status.message = "done elsewhere";
  server.create(pod);
  join();
  ASSERT_TRUE(runUntil("known", [&] { return view("job") != nullptr; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(started(), 0u);
  EXPECT_EQ(server.requests().size(), 0u);
  server.remove("job");
  ASSERT_TRUE(untilPhase("job", "gone"));
  EXPECT_EQ(server.deleted.at(0)->status.message, "done elsewhere");
}

TEST_F(ApiPods, APodThatOthersDeclareToBeOverEnds) {
  join();
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  server.patchStatus("web", [](api::PodStatus& status) {
    status.phase = "Failed";
    status.reason = "NodeLost";
  });
  ASSERT_TRUE(runUntil("it ends", [&] { return running() == 0; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.phase("web"), "Failed");
  EXPECT_EQ(server.pod("web")->status.reason, "NodeLost");
}

TEST_F(ApiPods, ErrorsAndLostAnswersDelayAndChangeNothing) {
  join();
  for (int i = 0; i < 3; ++i) server.failNext(makeError(Code::kUnavailable, "500"));
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(settle());
  const PodUid id = uid("web");
  server.loseNextAnswer();
  runtime.exitContainer(id, "web", 1);
  ASSERT_TRUE(untilShownRunning("web", 1));
  ASSERT_TRUE(settle());
  server.loseNextAnswer();
  server.remove("web");
  ASSERT_TRUE(untilPhase("web", "gone"));
  ASSERT_TRUE(runUntil("settled", [&] { return !view("web"); }));
  EXPECT_EQ(server.deleted.size(), 1u);
  int restarts = 0;
  for (const auto& status : server.history(id.str())) {
    if (status.container_statuses.empty()) continue;
    EXPECT_GE(status.container_statuses[0].restart_count, restarts);
    restarts = status.container_statuses[0].restart_count;
  }
}

TEST_F(ApiPods, ALateWatchIsNoReasonToWriteAgain) {
  join();
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(settle());
  server.holdWatch(true);
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilShownRunning("web", 1));
  ASSERT_TRUE(settle());
  const size_t requests = server.count("PATCH /api/");
  server.holdWatch(false);
  wake(uid("web"));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.count("PATCH /api/"), requests);
}

TEST_F(ApiPods, ARejectedPodIsFailedWithKubernetesReason) {
  join();
  server.create(apiPod("gpu", "  nodeSelector: {gpu: nvidia}\n"));
  ASSERT_TRUE(untilPhase("gpu", "Failed"));
  EXPECT_EQ(server.pod("gpu")->status.reason, "NodeAffinity");
  kubelet->setNodeLabels({{"gpu", "nvidia"}});
  server.create(apiPod("gpu2", "  nodeSelector: {gpu: nvidia}\n"));
  ASSERT_TRUE(untilShownRunning("gpu2"));
  kubelet->setAdmissionCheck([](const api::Pod&) {
    return Admission{false, "NodeShutdown", "Pod was rejected as the node is shutting down."};
  });
  server.create(apiPod("late"));
  ASSERT_TRUE(untilPhase("late", "Failed"));
  EXPECT_EQ(server.pod("late")->status.reason, "NodeShutdown");
  server.remove("gpu");
  ASSERT_TRUE(untilPhase("gpu", "gone"));
}

TEST_F(ApiPods, AdmissionCountsApiPods) {
  max_pods = 1;
  join();
  server.create(apiPod("a"));
  ASSERT_TRUE(untilShownRunning("a"));
  server.create(apiPod("b"));
  ASSERT_TRUE(untilPhase("b", "Failed"));
  EXPECT_EQ(server.pod("b")->status.reason, "OutOfpods");
}

TEST_F(ApiPods, ReadinessGatesAreOthersConditions) {
  join();
  server.create(apiPod("web", "  readinessGates: [{conditionType: example.com/lb}]\n"));
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(settle());
  EXPECT_EQ(conditionOf(server.pod("web")->status, "Ready")->reason, "ReadinessGatesNotReady");
  server.patchStatus("web", [](api::PodStatus& status) {
    status.conditions.push_back({"example.com/lb", "True", "InService", "", {}, {}, 0});
  });
  ASSERT_TRUE(
      runUntil("ready", [&] { return conditionOf(server.pod("web")->status, "Ready")->status == "True"; }));
  EXPECT_EQ(conditionOf(server.pod("web")->status, "example.com/lb")->reason, "InService");
}

TEST_F(ApiPods, AnEvictedPodFailsOnceItsContainersHaveEnded) {
  join();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  const PodUid id = uid("web");
  EXPECT_FALSE(kubelet->evict(PodUid("nobody"), {}, seconds(1)));
  EXPECT_TRUE(kubelet->evict(id, Ending{"Failed", "Evicted", "The node was low on resource: memory.", {}},
                             seconds(3)));
  ASSERT_TRUE(runUntil("told to stop", [&] { return !runtime.pod(id)->containers.at(0).stops.empty(); }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops[0].second, seconds(3));
  ASSERT_TRUE(
      runUntil("condition", [&] { return conditionOf(server.pod("web")->status, "DisruptionTarget"); }));
  EXPECT_EQ(server.phase("web"), "Running");
  EXPECT_TRUE(hasEvent("web", "Evicted", "The node was low on resource"));
  pass(seconds(3));
  ASSERT_TRUE(untilPhase("web", "Failed"));
  const api::PodStatus status = server.pod("web")->status;
  EXPECT_EQ(status.reason, "Evicted");
  EXPECT_EQ(status.message, "The node was low on resource: memory.");
  EXPECT_EQ(conditionOf(status, "DisruptionTarget")->reason, "TerminationByKubelet");
  rejoin();
  ASSERT_TRUE(runUntil("looked at", [&] { return view("web")->observed; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.phase("web"), "Failed");
  EXPECT_EQ(started(), 1u);
}

TEST_F(ApiPods, AChangedImageRestartsThatContainer) {
  join();
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  server.edit("web", [](api::Pod& pod) { pod.spec.containers[0].image = "alpine:3"; });
  ASSERT_TRUE(untilShownRunning("web", 1));
  const api::PodStatus status = server.pod("web")->status;
  EXPECT_EQ(status.container_statuses[0].image, "alpine:3");
  EXPECT_EQ(status.observed_generation, 2);
}

TEST_F(ApiPods, EventsAreToldOnceAndRepeatedOnesCounted) {
  join();
  server.create(apiPod("web"));
  ASSERT_TRUE(untilShownRunning("web"));
  ASSERT_TRUE(settle());
  const auto count = [&](const std::string& reason) {
    int32_t total = 0;
    for (const auto& [name, event] : server.events()) {
      if (json::value_to<std::string>(event.at("reason")) != reason) continue;
      const auto* series = event.if_contains("series");
      total += series == nullptr ? 1 : series->at("count").to_number<int32_t>();
    }
    return total;
  };
  EXPECT_EQ(count("Started"), 1);
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilShownRunning("web", 1));
  ASSERT_TRUE(runUntil("counted", [&] { return count("Started") == 2; }));
  const size_t events = server.count("POST /apis/events.k8s.io/v1/namespaces/default/events");
  rejoin();
  ASSERT_TRUE(runUntil("looked at", [&] { return view("web")->observed; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.count("POST /apis/events.k8s.io/v1/namespaces/default/events"), events);
}

TEST_F(ApiPods, ManyPodsShareAFewRequests) {
  join();
  for (int i = 0; i < 50; ++i) server.create(apiPod("web" + std::to_string(i)));
  ASSERT_TRUE(runUntil("all run", [&] {
    for (int i = 0; i < 50; ++i) {
      if (!shownRunning("web" + std::to_string(i))) return false;
    }
    return true;
  }));
  EXPECT_LE(server.most_in_flight(), 16u + 8u);
  for (int i = 0; i < 50; ++i) server.remove("web" + std::to_string(i), 1);
  ASSERT_TRUE(runUntil("all are gone", [&] { return server.deleted.size() == 50; }));
  ASSERT_TRUE(runUntil("nothing is left", [&] { return leftovers().empty(); }));
}

TEST_F(ApiPods, AStormOfRestartsNeverMakesTwoOfOne) {
  join();
  server.create(apiPod("web"));
  for (int round = 0; round < 12; ++round) {
    runUntil("a moment", [turns = round % 5]() mutable { return turns-- <= 0; });
    if (round % 3 == 1) {
      server.erase("web");
      server.create(apiPod("web"));
    }
    if (round % 4 == 2) server.remove("web", 1);
    rejoin();
    if (!server.pod("web")) server.create(apiPod("web"));
    EXPECT_LE(running(), 1u);
  }
  ASSERT_TRUE(runUntil("one runs in the end", [&] {
    if (!server.pod("web")) server.create(apiPod("web"));
    return shownRunning("web") && running() == 1 && runtime.list()->size() == 1;
  }));
}

}  // namespace
}  // namespace keelson::kubelet::cluster
