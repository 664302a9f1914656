#include <sys/stat.h>

#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct PodLife : KubeletFixture {};

TEST_F(PodLife, AManifestBecomesARunningPodAndItsRemovalTheEndOfEverything) {
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  const auto seen = view("web");
  EXPECT_EQ(seen->pod->status.phase, "Running");
  EXPECT_EQ(seen->pod->status.pod_ips, std::vector<std::string>{"10.244.0.2"});
  EXPECT_EQ(seen->source, temp / "manifests/web.yaml");
  EXPECT_EQ(seen->current_wait, "");
  for (const char* reason : {"Pulled", "Created", "Started"}) EXPECT_TRUE(hasEvent("web", reason)) << reason;
  EXPECT_EQ(std::distance(fs::directory_iterator(temp / "links"), fs::directory_iterator()), 1);
  remove("web.yaml");
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, ARequestCarriesWhatTheSpecSays) {
  write("web.yaml", R"yaml(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  shareProcessNamespace: true
  securityContext: {fsGroup: 4711, sysctls: [{name: net/ipv4/tcp_syncookies, value: "1"}]}
  containers:
  - name: web
    image: nginx:1
    command: [serve, "$(IP)"]
    env:
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
    volumeMounts:
    - {name: data, mountPath: /data, subPathExpr: "at-$(IP)"}
    - {name: fast, mountPath: /fast, readOnly: true}
    - {name: host, mountPath: /host}
  volumes:
  - {name: data, emptyDir: {}}
  - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: host, hostPath: {path: /srv, type: DirectoryOrCreate}}
)yaml");
  start();
  ASSERT_TRUE(untilRunning("web"));
  const auto pod = runtime.pod(uid("web"));
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->sandbox.plan.hostname, "web-node1");
  EXPECT_TRUE(pod->sandbox.plan.namespaces.share_pid);
  EXPECT_EQ(pod->sandbox.plan.sysctls.at(0).name, "net.ipv4.tcp_syncookies");
  EXPECT_EQ(pod->tmpfs.at("fast"), 1 << 20);
  const auto& container = pod->containers.at(0);
  EXPECT_EQ(container.plan.process.args, (std::vector<std::string>{"serve", "10.244.0.2"}));
  EXPECT_EQ(container.supplemental_groups, std::vector<uint32_t>{4711});
  EXPECT_EQ(container.log_directory, temp / ("logs/default_web-node1_" + uid("web").str() + "/web"));
  std::vector<std::string> targets;
  for (const auto& mount : container.plan.mounts) targets.push_back(mount.target);
  EXPECT_EQ(targets, (std::vector<std::string>{"/data", "/fast", "/host", "/etc/hosts", "/etc/hostname",
                                               "/etc/resolv.conf", "/dev/termination-log"}));
  EXPECT_TRUE(fs::is_directory(
      temp / ("root/pods/" + uid("web").str() + "/volumes/kubernetes.io~empty-dir/data/at-10.244.0.2")));
  EXPECT_TRUE(fs::is_directory(temp / "host/srv"));
}

TEST_F(PodLife, ACrashedContainerRestartsWithItsBackOff) {
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  ASSERT_TRUE(runtime.exitContainer(id, "web", 1));
  ASSERT_TRUE(untilRunning("web", 1));
  ASSERT_TRUE(runtime.exitContainer(id, "web", 137, 9, true));
  ASSERT_TRUE(runUntil("back-off", [&] { return waitingReason("web") == "CrashLoopBackOff"; }));
  EXPECT_EQ(container("web")->last_state.terminated->reason, "OOMKilled");
  EXPECT_EQ(view("web")->current_wait, "back-off 10s of container web");
  EXPECT_TRUE(
      hasEvent("web", "BackOff", "Back-off restarting failed container web in pod web-node1_default("));
  pass(seconds(10));
  ASSERT_TRUE(untilRunning("web", 2));
  const auto previous = kubelet->instance("default", "web", "web", Kubelet::Which::kPrevious);
  ASSERT_TRUE(previous) << previous.error().text;
  EXPECT_EQ(previous->attempt, 1u);
  EXPECT_EQ(runtime.pod(id)->containers.size(), 2u);  // one runs, one dead is kept
}

TEST_F(PodLife, AFinishedPodIsTornDownAndItsRecordStays) {
  start();
  write("job.yaml", podText("job", "  restartPolicy: Never\n"));
  ASSERT_TRUE(untilRunning("job"));
  runtime.exitContainer(uid("job"), "web", 0);
  ASSERT_TRUE(
      runUntil("job is done", [&] { return phase("job") == "Succeeded" && runtime.list()->empty(); }));
  EXPECT_TRUE(network.list().empty());
  restart();
  ASSERT_TRUE(runUntil("seen again", [&] { return phase("job") == "Succeeded"; }));
  EXPECT_EQ(container("job")->state.terminated->reason, "Completed");
  EXPECT_TRUE(kubelet->instance("default", "job", "web", Kubelet::Which::kCurrent));
  remove("job.yaml");
  ASSERT_TRUE(runUntil("job is gone", [&] { return !view("job"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, ATerminationMessageIsShown) {
  start();
  write("job.yaml", podText("job", "  restartPolicy: Never\n"));
  ASSERT_TRUE(untilRunning("job"));
  const std::string folder = temp / ("root/pods/" + uid("job").str() + "/containers/web");
  const fs::path file = fs::directory_iterator(folder)->path();
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0666u);
  std::ofstream(file) << "out of cheese";
  runtime.exitContainer(uid("job"), "web", 1);
  ASSERT_TRUE(runUntil("job failed", [&] { return phase("job") == "Failed"; }));
  EXPECT_EQ(container("job")->state.terminated->message, "out of cheese");
}

TEST_F(PodLife, DeletionGivesTheGracePeriod) {
  start();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  write("web.yaml", podText("web", "  terminationGracePeriodSeconds: 7\n"));
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  remove("web.yaml");
  ASSERT_TRUE(runUntil("told to stop", [&] {
    const auto pod = runtime.pod(id);
    return pod && !pod->containers.at(0).stops.empty();
  }));
  EXPECT_EQ(runtime.pod(id)->containers[0].stops, (std::vector<std::pair<int, Duration>>{{15, seconds(7)}}));
  ASSERT_TRUE(runUntil("shown", [&] { return hasEvent("web", "Killing", "Stopping container web"); }));
  EXPECT_TRUE(view("web")->terminating);
  EXPECT_EQ(view("web")->current_wait, "container web to stop");
  pass(seconds(6));
  EXPECT_EQ(view("web") != nullptr, true);
  pass(seconds(1));
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, ADeletionDoesNotWaitForARetryOfTheStart) {
  runtime.failNext("createSandbox", makeError(Code::kUnavailable, "no"));
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(runUntil("it failed", [&] { return hasEvent("web", "FailedCreatePodSandBox"); }));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, AnAddressDoesNotOutliveItsPod) {
  runtime.failNext("createSandbox", makeError(Code::kUnavailable, "no"));
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(runUntil("it failed", [&] { return hasEvent("web", "FailedCreatePodSandBox"); }));
  // What an attach left whose end nobody noted.
  Stop none;
  const UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(network.attach({uid("web"), "default/web-node1", netns.get(), {}}, none));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, APodWhoseRuntimeDoesNotAnswerIsStillDeleted) {
  runtime.onStop("web", fakes::OnStop::kIgnores);
  start();
  write("web.yaml", podText("web", "  terminationGracePeriodSeconds: 7\n"));
  ASSERT_TRUE(untilRunning("web"));
  const PodUid id = uid("web");
  for (int i = 0; i < 1000; ++i) runtime.failNext("status", makeError(Code::kDeadlineExceeded, "hung"));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("it ends", [&] { return view("web")->terminating; }));
  clock.advance(seconds(11));  // no tick: the hung shim does not kill
  wake(id);
  ASSERT_TRUE(runUntil("looked at", [&] { return hasEvent("web", "FailedSync"); }));
  EXPECT_EQ(runtime.list()->size(), 1u);
  clock.advance(seconds(1));
  wake(id);
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, ALinkThatIsGoneIsMadeAgain) {
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  const auto attaches = [&] {
    const auto calls = network.calls();
    return std::count(calls.begin(), calls.end(), "attach " + uid("web").str());
  };
  ASSERT_EQ(attaches(), 1);
  kubelet->reattach({uid("web"), PodUid("nobody")});
  ASSERT_TRUE(runUntil("attached again", [&] { return attaches() == 2; }));
  EXPECT_TRUE(runs("web"));
  EXPECT_EQ(view("web")->pod->status.pod_ips, std::vector<std::string>{"10.244.0.2"});
}

TEST_F(PodLife, ACommandThatCannotRunIsAnExit) {
  start();
  for (const Code code : {Code::kNotFound, Code::kInvalidArgument}) {
    runtime.failNext("startContainer", makeError(code, "exec: \"serve\": executable file not found"));
    write("job.yaml", podText("job", "  restartPolicy: Never\n"));
    ASSERT_TRUE(runUntil("it has failed", [&] { return phase("job") == "Failed"; }));
    const auto status = container("job");
    ASSERT_TRUE(status->state.terminated);
    EXPECT_EQ(status->state.terminated->exit_code, 128);
    EXPECT_EQ(status->state.terminated->reason, "StartError");
    EXPECT_EQ(status->state.terminated->message, "exec: \"serve\": executable file not found");
    EXPECT_TRUE(hasEvent("job", "Failed", "Error: exec: \"serve\": executable file not found"));
    remove("job.yaml");
    ASSERT_TRUE(runUntil("job is gone", [&] { return !view("job"); }));
  }
  for (int i = 0; i < 2; ++i) runtime.failNext("startContainer", makeError(Code::kNotFound, "no file"));
  write("web.yaml", podText("web"));
  ASSERT_TRUE(runUntil("it has failed once", [&] { return hasEvent("web", "Failed", "no file"); }));
  pass(seconds(1));
  ASSERT_TRUE(runUntil("back-off", [&] { return waitingReason("web") == "CrashLoopBackOff"; }));
  EXPECT_EQ(container("web")->restart_count, 1);
  EXPECT_EQ(container("web")->last_state.terminated->reason, "StartError");
  pass(seconds(10));
  ASSERT_TRUE(untilRunning("web", 2));
}

TEST_F(PodLife, AFaultOfTheNodeAtAStartIsNoExit) {
  start();
  runtime.failNext("startContainer", makeError(Code::kInternal, "no space"));
  write("job.yaml", podText("job", "  restartPolicy: Never\n"));
  ASSERT_TRUE(runUntil("told", [&] { return waitingReason("job") == "CreateContainerError"; }));
  pass(seconds(1));
  ASSERT_TRUE(untilRunning("job"));
}

TEST_F(PodLife, AUserThatTurnsOutToBeRootIsAConfigError) {
  start();
  runtime.failNext("startContainer", makeError(Code::kFailedPrecondition,
                                               "container has runAsNonRoot and image will run as root"));
  write("web.yaml", podText("web", "  securityContext: {runAsNonRoot: true, runAsUser: 1000}\n"));
  ASSERT_TRUE(runUntil("told", [&] { return waitingReason("web") == "CreateContainerConfigError"; }));
}

TEST_F(PodLife, ARejectedPodTakesNothingFromTheNextOne) {
  write("a.yaml", podText("a", "", "image: 'nginx:1', command: [serve], resources: {requests: {cpu: 5}}"));
  write("b.yaml", podText("b", "", "image: 'nginx:1', command: [serve], resources: {requests: {cpu: 1}}"));
  start();
  ASSERT_TRUE(untilRunning("b"));
  EXPECT_EQ(phase("a"), "Failed");
}

TEST_F(PodLife, AnotherVersionOfAPodWaitsUntilTheOldOneIsGone) {
  start();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  const PodUid old_uid = uid("web");
  write("web.yaml", podText("web", "", "image: 'alpine:3', command: [first]"));
  ASSERT_TRUE(runUntil("the old one ends", [&] { return view("web")->terminating; }));
  write("web.yaml", podText("web", "", "image: 'alpine:3', command: [second]"));
  ASSERT_TRUE(runUntil("the edit is read", [&] {
    for (const auto& seen : kubelet->pods()) {
      if (seen->pod->spec.containers[0].command == std::vector<std::string>{"second"}) return true;
    }
    return false;
  }));
  EXPECT_EQ(runtime.list()->size(), 1u);
  pass(seconds(30));
  ASSERT_TRUE(runUntil("the new one runs", [&] { return runs("web") && uid("web") != old_uid; }));
  EXPECT_EQ(runtime.pod(uid("web"))->containers.at(0).plan.process.args, std::vector<std::string>{"second"});
  EXPECT_EQ(runtime.list()->size(), 1u);
  EXPECT_FALSE(fs::exists(temp / ("root/pods/" + old_uid.str())));
}

TEST_F(PodLife, AManifestThatComesBackStartsAnewAfterItsDeletion) {
  start();
  runtime.onStop("web", fakes::OnStop::kIgnores);
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("it ends", [&] { return view("web")->terminating; }));
  write("web.yaml", podText("web"));
  ASSERT_TRUE(runUntil("read", [&] { return !kubelet->manifests().empty(); }));
  pass(seconds(30));
  ASSERT_TRUE(runUntil("it runs again", [&] { return runs("web") && !view("web")->terminating; }));
}

TEST_F(PodLife, ALostShimMeansANewSandbox) {
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  runtime.loseShim(uid("web"));
  ASSERT_TRUE(untilRunning("web", 1));
  EXPECT_EQ(runtime.pod(uid("web"))->observed.sandbox_attempt, 1u);
  EXPECT_TRUE(hasEvent("web", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."));
}

TEST_F(PodLife, APulledImageStartsItsContainer) {
  images.putRemote("far:1");
  images.holdPulls();
  start();
  write("web.yaml", podText("web", "", "image: 'far:1', command: [serve]"));
  ASSERT_TRUE(runUntil("it pulls", [&] { return images.pulls().size() == 1 && view("web"); }));
  ASSERT_TRUE(runUntil("it is shown", [&] { return view("web")->current_wait == "image far:1"; }));
  EXPECT_EQ(waitingReason("web"), "ContainerCreating");
  images.releasePulls();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_TRUE(hasEvent("web", "Pulling", "Pulling image \"far:1\""));
  EXPECT_TRUE(hasEvent("web", "Pulled", "Successfully pulled image \"far:1\" in "));
}

TEST_F(PodLife, AFailedPullBacksOffAndSucceedsLater) {
  start();
  write("web.yaml", podText("web", "", "image: 'far:1', command: [serve]"));
  ASSERT_TRUE(runUntil("it fails", [&] { return waitingReason("web") == "ErrImagePull"; }));
  EXPECT_TRUE(hasEvent("web", "Failed", "Failed to pull image \"far:1\": failed to resolve reference"));
  EXPECT_TRUE(hasEvent("web", "Failed", "Error: ErrImagePull"));
  pass(seconds(5));
  ASSERT_TRUE(runUntil("it backs off", [&] { return waitingReason("web") == "ImagePullBackOff"; }));
  EXPECT_EQ(images.pulls().size(), 1u);
  images.putRemote("far:1");
  pass(seconds(5));
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(images.pulls().size(), 2u);
}

TEST_F(PodLife, APullBackOffOutlivesTheDaemon) {
  start();
  write("web.yaml", podText("web", "", "image: 'far:1', command: [serve]"));
  ASSERT_TRUE(runUntil("it fails", [&] { return waitingReason("web") == "ErrImagePull"; }));
  clock.advance(seconds(4));
  restart();
  ASSERT_TRUE(runUntil("it still backs off", [&] { return waitingReason("web") == "ImagePullBackOff"; }));
  EXPECT_EQ(images.pulls().size(), 1u);
}

TEST_F(PodLife, ARejectedPodIsFailedForGood) {
  start();
  write("gpu.yaml", podText("gpu", "  nodeSelector: {gpu: nvidia}\n"));
  ASSERT_TRUE(runUntil("rejected", [&] { return phase("gpu") == "Failed"; }));
  EXPECT_EQ(view("gpu")->pod->status.reason, "NodeAffinity");
  ASSERT_TRUE(runUntil("told", [&] {
    return hasEvent("gpu", "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed");
  }));
  EXPECT_TRUE(runtime.calls() == std::vector<std::string>{"cleanUp"});
  restart();
  ASSERT_TRUE(runUntil("rejected still", [&] { return phase("gpu") == "Failed"; }));
  remove("gpu.yaml");
  ASSERT_TRUE(runUntil("gone", [&] { return !view("gpu"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(PodLife, AdmissionCountsPodsThatAreNotGoneYet) {
  max_pods = 1;
  start();
  write("a.yaml", podText("a"));
  ASSERT_TRUE(untilRunning("a"));
  write("b.yaml", podText("b"));
  ASSERT_TRUE(runUntil("b is rejected", [&] { return phase("b") == "Failed"; }));
  EXPECT_EQ(view("b")->pod->status.reason, "OutOfpods");
  restart();  // what was admitted stays so, in whatever order the files are read
  EXPECT_EQ(phase("b"), "Failed");
  ASSERT_TRUE(untilRunning("a"));
  EXPECT_EQ(phase("b"), "Failed");
}

TEST_F(PodLife, APodThatIsOverLeavesItsPlaceToOthersAlsoAfterARestart) {
  max_pods = 1;
  start();
  write("job.yaml", podText("job", "  restartPolicy: Never\n"));
  ASSERT_TRUE(untilRunning("job"));
  runtime.exitContainer(uid("job"), "web", 0);
  ASSERT_TRUE(runUntil("job is done", [&] { return phase("job") == "Succeeded"; }));
  stop();
  write("web.yaml", podText("web"));
  start();
  ASSERT_TRUE(untilRunning("web"));
}

TEST_F(PodLife, WhatIsNotServedIsSaidAndNothingStarts) {
  start();
  write("rule.yaml", podText("rule", "",
                             "image: 'nginx:1', command: [a], restartPolicy: Never, restartPolicyRules: "
                             "[{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]"));
  ASSERT_TRUE(runUntil("rule", [&] { return waitingReason("rule") == "CreateContainerConfigError"; }));
  EXPECT_EQ(container("rule")->state.waiting->message,
            "restartPolicyRules with action RestartAllContainers is not served by this node");
  write("volume.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: volume}
spec:
  containers: [{name: web, image: "nginx:1", command: [a], volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, nfs: {server: s, path: /}}]
)");
  ASSERT_TRUE(runUntil("volume", [&] { return hasEvent("volume", "FailedMount"); }));
  EXPECT_TRUE(
      hasEvent("volume", "FailedMount",
               "MountVolume.SetUp failed for volume \"v\" : volumes of kind nfs are not served by this "
               "node"));
  EXPECT_EQ(waitingReason("volume"), "ContainerCreating");
}

TEST_F(PodLife, AHungHostPathHoldsUpNobodyElse) {
  host_paths.hang("/nfs");
  start();
  write("hung.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: hung}
spec:
  containers: [{name: web, image: "nginx:1", command: [a], volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, hostPath: {path: /nfs}}]
)");
  ASSERT_TRUE(runUntil("hung", [&] { return hasEvent("hung", "FailedMount", "no answer"); }));
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  remove("hung.yaml");
  ASSERT_TRUE(runUntil("gone", [&] { return !view("hung"); }));
}

TEST_F(PodLife, AHostPathOfTheWrongTypeIsKubernetesError) {
  std::ofstream(temp / "host/file") << "x";
  start();
  write("web.yaml", R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: "nginx:1", command: [a], volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, hostPath: {path: /file, type: Directory}}]
)");
  ASSERT_TRUE(runUntil("told", [&] {
    return hasEvent(
        "web", "FailedMount",
        "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /file is not a directory");
  }));
}

TEST_F(PodLife, ABrokenManifestDisturbsNobody) {
  start();
  write("web.yaml", podText("web"));
  ASSERT_TRUE(untilRunning("web"));
  const auto calls = runtime.calls();
  write("web.yaml", "kind: [");
  write("other.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}\n");
  ASSERT_TRUE(runUntil("errors are shown", [&] {
    const auto files = kubelet->manifests();
    return files.size() == 2 && !files[0].error.empty() && !files[1].error.empty();
  }));
  EXPECT_EQ(runtime.calls(), calls);
  EXPECT_TRUE(runs("web"));
}

TEST_F(PodLife, AnUnknownRuntimeClassKeepsThePodPending) {
  write("class.yaml",
        "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: myclass}\nhandler: "
        "myconfiguration\n");
  write("web.yaml", podText("web", "  runtimeClassName: myclass\n"));
  start();
  ASSERT_TRUE(runUntil("told", [&] {
    return hasEvent("web", "FailedCreatePodSandBox",
                    "RuntimeClass myclass: no runtime for handler \"myconfiguration\" is configured");
  }));
  EXPECT_EQ(phase("web"), "Pending");
}

TEST_F(PodLife, StartFailsWithoutAManifestFolder) {
  fs::remove(temp / "manifests");
  pods_lane = std::make_unique<Lane>("pods", 1);
  const Dependencies dependencies{loop,    *pods_lane, *pods_lane, *pods_lane, clock,
                                  runtime, images,     host_paths, network};
  const auto made = makeKubelet(options(), dependencies);
  const auto started = made->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace keelson::kubelet
