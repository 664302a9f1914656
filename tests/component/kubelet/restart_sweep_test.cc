// A new life of the daemon after every single action, and a failure of every single one.
#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kTwo[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers:
  - {name: first, image: "alpine:3", command: [prepare]}
  containers:
  - {name: web, image: "nginx:1", command: [serve], volumeMounts: [{name: m, mountPath: /m}]}
  - {name: side, image: "alpine:3", command: [write], volumeMounts: [{name: m, mountPath: /m}, {name: h, mountPath: /h}]}
  volumes:
  - {name: m, emptyDir: {medium: Memory}}
  - {name: h, hostPath: {path: /srv, type: DirectoryOrCreate}}
)";

// Without a host path a whole start is one look.
constexpr char kTwoWithoutHostPath[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers:
  - {name: first, image: "alpine:3", command: [prepare]}
  containers:
  - {name: web, image: "nginx:1", command: [serve], volumeMounts: [{name: m, mountPath: /m}]}
  - {name: side, image: "alpine:3", command: [write]}
  volumes:
  - {name: m, emptyDir: {medium: Memory}}
)";

constexpr char kTwoWithHooks[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers:
  - {name: first, image: "alpine:3", command: [prepare]}
  containers:
  - {name: web, image: "nginx:1", command: [serve], lifecycle: {postStart: {exec: {command: [up]}}, preStop: {exec: {command: [down]}}}}
  - {name: side, image: "alpine:3", command: [write], lifecycle: {preStop: {sleep: {seconds: 0}}}}
)";

struct Sweep : KubeletFixture {
  // The daemon of this life is killed right after its n-th call from now: what it does later reaches neither
  // the world nor the disk of the next life.
  void killAfter(int n) {
    counting->dieAfter(counting->calls() + n, [this] {
      writeLogs();
      for (const char* folder : {"root", "logs", "links"}) {
        fs::copy(temp / folder, temp / (std::string("killed-") + folder),
                 fs::copy_options::recursive | fs::copy_options::copy_symlinks);
      }
      killed_.store(true);
    });
  }
  // The log that each shim opens for its container.
  void writeLogs() {
    const auto uids = runtime.list();
    for (const auto& id : *uids) {
      const auto pod = runtime.pod(id);
      for (const auto& one : pod->containers) {
        fs::create_directories(one.log_directory);
        std::ofstream(one.log_directory + "/" + std::to_string(one.observed.attempt) + ".log") << "x";
      }
    }
  }
  void nextLife() {
    stop();
    if (killed_.exchange(false)) {
      for (const char* folder : {"root", "logs", "links"}) {
        fs::remove_all(temp / folder);
        fs::rename(temp / (std::string("killed-") + folder), temp / folder);
      }
    }
    start();
  }
  std::atomic<bool> killed_{false};

  // Drives the pod to its steady state; the init container ends by itself as soon as it runs.
  bool steady() {
    const auto seen = view("two");
    if (seen) {
      const PodUid id = uid("two");
      const auto pod = runtime.pod(id);
      if (pod) {
        for (const auto& one : pod->containers) {
          if (one.observed.running && one.observed.name == "first") runtime.exitContainer(id, "first", 0);
        }
      }
    }
    return container("two", 0) && container("two", 0)->state.running && container("two", 1) &&
           container("two", 1)->state.running;
  }
  // Every second of the fake clock that retries may need goes by at once.
  bool untilSteady() {
    int turns = 0;
    return runUntil("two runs", [&] {
      if (killed_) return true;
      if (++turns % 20 == 0) pass(seconds(1));
      return steady();
    });
  }
  bool untilGone() {
    int turns = 0;
    return runUntil("two is gone", [&] {
      if (killed_) return true;
      if (++turns % 20 == 0) pass(seconds(1));
      return kubelet->pods().empty();
    });
  }
  size_t instancesOf(const std::string& name) const {
    size_t count = 0;
    for (const auto& id : runtime.list().value()) {
      const auto pod = runtime.pod(id);
      for (const auto& one : pod->containers) count += one.observed.name == name && one.observed.running;
    }
    return count;
  }
  std::string callsOf(const std::string& method) const {
    std::string text;
    for (const auto& call : runtime.calls()) {
      if (call.rfind(method, 0) == 0)
        text += call.substr(0, call.find(' ')) + call.substr(call.rfind(' ')) + "\n";
    }
    return text;
  }
};

// Each test below uses one fresh world per n; gtest gives one per test, so the sweep is over parameters.
class RestartAt : public Sweep, public testing::WithParamInterface<std::tuple<int, const char*>> {
 protected:
  int moment() const { return std::get<0>(GetParam()); }
  const char* manifest() const { return std::get<1>(GetParam()); }
};

TEST_P(RestartAt, TheNextLifeGoesOnWhereTheLastOneEnded) {
  write("two.yaml", manifest());
  start();
  killAfter(moment());
  ASSERT_TRUE(untilSteady());
  nextLife();
  ASSERT_TRUE(untilSteady());
  // No container was started twice, whatever the moment.
  EXPECT_EQ(callsOf("startContainer"), "startContainer first\nstartContainer web\nstartContainer side\n");
  EXPECT_EQ(runtime.list()->size(), 1u);
  EXPECT_EQ(network.list().size(), 1u);
  EXPECT_EQ(view("two")->pod->status.pod_ips, std::vector<std::string>{"10.244.0.2"});
  EXPECT_EQ(container("two", 0)->restart_count, 0);
  remove("two.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RestartAt, ADeletionThatWasCutOffIsFinished) {
  write("two.yaml", manifest());
  start();
  ASSERT_TRUE(untilSteady());
  killAfter(moment());
  remove("two.yaml");
  ASSERT_TRUE(untilGone());
  nextLife();
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

INSTANTIATE_TEST_SUITE_P(EveryCall, RestartAt,
                         testing::Combine(testing::Range(1, 12),
                                          testing::Values(kTwo, kTwoWithoutHostPath, kTwoWithHooks)),
                         [](const auto& param) {
                           const char* manifest = std::get<1>(param.param);
                           return std::to_string(std::get<0>(param.param)) +
                                  (manifest == kTwo            ? "WithHostPath"
                                   : manifest == kTwoWithHooks ? "WithHooks"
                                                               : "");
                         });

class FailAt : public Sweep, public testing::WithParamInterface<int> {};

TEST_P(FailAt, AFailedStepIsRepeatedAndLeaksNothing) {
  write("two.yaml", kTwo);
  start();
  counting->failAt(GetParam());
  ASSERT_TRUE(untilSteady());
  EXPECT_EQ(instancesOf("web"), 1u);
  EXPECT_EQ(instancesOf("side"), 1u);
  EXPECT_EQ(runtime.list()->size(), 1u);
  EXPECT_EQ(network.list().size(), 1u);
  remove("two.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_P(FailAt, AFailedStepOfADeletionIsRepeated) {
  write("two.yaml", kTwo);
  start();
  ASSERT_TRUE(untilSteady());
  counting->failAt(counting->calls() + GetParam());
  remove("two.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_P(FailAt, AFailedStepThenADeletionLeavesNothing) {
  write("two.yaml", kTwo);
  start();
  counting->failAt(GetParam());
  ASSERT_TRUE(runUntil("the call has failed", [&] {
    steady();
    return counting->calls() >= GetParam() || steady();
  }));
  remove("two.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

INSTANTIATE_TEST_SUITE_P(EveryCall, FailAt, testing::Range(1, 12));

// ---- what a new life finds ----

TEST_F(Sweep, ExitsThatHappenedMeanwhileCountOnce) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  stop();
  runtime.exitContainer(id, "web", 3);
  start();
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_EQ(container("web")->last_state.terminated->exit_code, 3);
}

TEST_F(Sweep, NothingIsTouchedAndNoConditionChangesAtARestart) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  const auto before = view("web")->pod->status;
  const auto calls = runtime.calls().size();
  clock.advance(seconds(60));
  restart();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(view("web")->pod->status, before);
  EXPECT_EQ(runtime.calls().size(), calls + 1);  // cleanUp
}

TEST_F(Sweep, ABrokenRecordCostsOnlyItself) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  runtime.exitContainer(uid("web"), "web", 1);
  ASSERT_TRUE(untilRunning("web", 1));
  const PodUid id = uid("web");
  stop();
  std::ofstream(temp / ("root/pods/" + id.str() + "/keelson/status.json")) << "{{{";
  start();
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_EQ(callsOf("createSandbox").size(), std::string("createSandbox ").size() + id.str().size() + 1);
  remove("web.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Sweep, RestartCountsSurviveTheLossOfRuntimeAndRecord) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  const std::string log = runtime.pod(id)->containers.at(0).log_directory;
  stop();
  fs::create_directories(log);
  std::ofstream(log + "/6.log") << "x";
  fs::remove_all(temp / "root/pods");
  Stop none;
  ASSERT_TRUE(runtime.destroySandbox(id, none).empty());
  start();
  ASSERT_TRUE(untilRunning("web", 7));
}

TEST_F(Sweep, APodWhoseManifestWentMeanwhileEndsGracefully) {
  write("web.yaml", podText("web", "  terminationGracePeriodSeconds: 9\n"));
  runtime.onStop("web", fakes::OnStop::kIgnores);
  start();
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  stop();
  remove("web.yaml");
  start();
  ASSERT_TRUE(runUntil("told", [&] { return !runtime.pod(id)->containers.at(0).stops.empty(); }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops.at(0).second, Duration(seconds(9)));
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Sweep, RunFoldersAndPodFoldersWithoutAnythingElseAreCleared) {
  fakes::FakePod orphan;
  orphan.sandbox.plan.uid = "orphan-1";
  orphan.observed.sandbox = runtime::SandboxPhase::kLost;
  runtime.adopt(orphan);
  fs::create_directories(temp / "root/pods/orphan-2/volumes/kubernetes.io~empty-dir/data");
  fs::create_directories(temp / "logs/default_old_orphan-2/web");
  start();
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Sweep, ATreeWhoseRemovalWasCutOffIsCleared) {
  fs::create_directories(temp / "root/pods/.removed-old-0123abcd/volumes/kubernetes.io~empty-dir/data");
  start();
  EXPECT_TRUE(kubelet->pods().empty());
  ASSERT_TRUE(runUntil("cleared", [&] { return leftovers().empty(); }));
}

TEST_F(Sweep, WhatRunsIsCountedBeforeNewcomers) {
  max_pods = 1;
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  stop();
  write("aaa.yaml", podText("aaa"));
  start();
  ASSERT_TRUE(runUntil("the newcomer is judged", [&] { return phase("aaa") == "Failed" || runs("aaa"); }));
  EXPECT_EQ(view("aaa")->pod->status.reason, "OutOfpods");
  EXPECT_TRUE(untilRunning("web"));
}

TEST_F(Sweep, ABrokenManifestKeepsItsPodsAcrossARestart) {
  write("web.yaml", podText("web"));
  write("gone.yaml", podText("gone"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  ASSERT_TRUE(untilRunning("gone"));
  const PodUid id = uid("web");
  stop();
  write("web.yaml", "kind: [");
  remove("gone.yaml");
  start();
  ASSERT_TRUE(runUntil("the other is gone", [&] { return !view("gone"); }));
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(uid("web"), id);
  EXPECT_FALSE(view("web")->terminating);
  EXPECT_EQ(kubelet->manifests().at(0).objects, std::vector<std::string>{"Pod default/web-node1"});
  EXPECT_NE(kubelet->manifests().at(0).error, "");
  remove("web.yaml");
  ASSERT_TRUE(untilGone());
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Sweep, AnAdoptedPodKeepsItsAge) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  const auto before = view("web")->pod->metadata;
  stop();
  clock.advance(seconds(60));
  start();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(view("web")->pod->metadata, before);
}

TEST_F(Sweep, AGivenUidIsTheSamePodAfterARestart) {
  write("web.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: web, uid: fixed-1, labels: {a: b}, annotations: {c: d}}
spec:
  terminationGracePeriodSeconds: 5
  securityContext: {fsGroup: 4711, sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}
  tolerations: [{key: k, operator: Exists, effect: NoSchedule}]
  containers:
  - name: web
    image: nginx:1
    command: [serve]
    ports: [{containerPort: 80, hostPort: 8080}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: E, value: ""}]
    resources: {requests: {cpu: "0.1", memory: 1.5Mi}, limits: {memory: 0.5Gi}}
    readinessProbe: {httpGet: {path: /, port: 80}}
    volumeMounts: [{name: data, mountPath: /data}, {name: fast, mountPath: /fast, readOnly: true}]
  volumes:
  - {name: data, emptyDir: {}}
  - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
)");
  start();
  ASSERT_TRUE(untilRunning("web"));
  const auto before = view("web")->pod->metadata;
  clock.advance(seconds(60));
  restart();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(view("web")->pod->metadata, before);
  EXPECT_EQ(kubelet->manifests().at(0).error, "");
}

TEST_F(Sweep, AnAddressOfNobodyIsReleased) {
  Stop none;
  ASSERT_TRUE(network.ensureNode(none));
  const UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(network.attach({PodUid("nobody"), "default/nobody", netns.get(), {}}, none));
  start();
  EXPECT_TRUE(network.list().empty());
}

TEST_F(Sweep, AManifestChangedMeanwhileReplacesItsPod) {
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
  const PodUid old_uid = uid("web");
  stop();
  write("web.yaml", podText("web", "", "image: 'alpine:3', command: [other]"));
  start();
  ASSERT_TRUE(runUntil("the new one runs", [&] { return runs("web") && uid("web") != old_uid; }));
  EXPECT_EQ(runtime.list()->size(), 1u);
}

}  // namespace
}  // namespace keelson::kubelet
