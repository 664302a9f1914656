#include "tests/component/kubelet/cluster/cluster_fixture.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::seconds;

struct Mirrors : ClusterFixture {
  std::string hash(const std::string& name) const {
    const auto pod = server.pod(name);
    return pod ? pod->metadata.annotations.at("kubernetes.io/config.mirror") : "";
  }
};

TEST_F(Mirrors, AStaticPodHasAMirrorThatShowsItsStatus) {
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  const auto mirror = server.pod("web-node1");
  EXPECT_EQ(hash("web-node1"), uid("web").str());
  EXPECT_NE(mirror->metadata.uid, uid("web").str());
  EXPECT_EQ(mirror->metadata.annotations.at("kubernetes.io/config.source"), "file");
  ASSERT_EQ(mirror->metadata.owner_references.size(), 1u);
  EXPECT_EQ(mirror->metadata.owner_references[0].kind, "Node");
  EXPECT_EQ(mirror->metadata.owner_references[0].uid, "node-uid");
  EXPECT_TRUE(mirror->metadata.owner_references[0].controller.value_or(false));
  EXPECT_EQ(running(), 1u);
  ASSERT_TRUE(settle());
  const size_t requests = server.requests().size();
  rejoin();
  ASSERT_TRUE(runUntil("looked at", [&] { return view("web")->observed; }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(server.requests().size(), requests);
}

TEST_F(Mirrors, AMirrorIsMadeAgainAndItsDeletionStopsNothing) {
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  const std::string first = server.pod("web-node1")->metadata.uid;
  server.remove("web-node1");
  ASSERT_TRUE(runUntil("another one", [&] {
    return server.pod("web-node1") && server.pod("web-node1")->metadata.uid != first &&
           shownRunning("web-node1");
  }));
  server.erase("web-node1");
  ASSERT_TRUE(untilShownRunning("web-node1"));
  EXPECT_EQ(started(), 1u);
}

TEST_F(Mirrors, AChangedManifestChangesItsMirrorAndARemovedOneRemovesIt) {
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  const std::string first = hash("web-node1");
  write("web.yaml", podText("web", "", "image: 'alpine:3', command: [serve]"));
  ASSERT_TRUE(
      runUntil("the new one", [&] { return hash("web-node1") != first && shownRunning("web-node1"); }));
  EXPECT_EQ(hash("web-node1"), uid("web").str());
  remove("web.yaml");
  ASSERT_TRUE(untilPhase("web-node1", "gone"));
  ASSERT_TRUE(runUntil("gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

TEST_F(Mirrors, AMirrorStaysUntilItsPodHasEnded) {
  runtime.onStop("web", fakes::OnStop::kIgnores);
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("it ends", [&] { return view("web")->terminating; }));
  ASSERT_TRUE(settle());
  EXPECT_TRUE(server.pod("web-node1"));
  pass(seconds(30));
  ASSERT_TRUE(untilPhase("web-node1", "gone"));
}

TEST_F(Mirrors, AMirrorWithoutAPodIsRemovedAndNeverRun) {
  api::Pod pod = apiPod("old");
  pod.metadata.annotations["kubernetes.io/config.mirror"] = "nobody";
  server.create(pod);
  join();
  ASSERT_TRUE(untilPhase("old", "gone"));
  EXPECT_EQ(started(), 0u);
}

TEST_F(Mirrors, ADeadApiServerDelaysMirrorsAndNotTheirPods) {
  server.cut(true);
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilRunning("web"));
  server.failNext(makeError(Code::kPermissionDenied, "403"));
  server.cut(false);
  ASSERT_TRUE(untilShownRunning("web-node1"));
}

TEST_F(Mirrors, AStaticPodWhoseManifestWentMeanwhileEndsWithoutTheApiServer) {
  write("web.yaml", podText("web"));
  join();
  ASSERT_TRUE(untilShownRunning("web-node1"));
  leave();
  remove("web.yaml");
  server.cut(true);
  join();
  ASSERT_TRUE(runUntil("gone", [&] { return !view("web") && leftovers().empty(); }));
  server.cut(false);
  ASSERT_TRUE(untilPhase("web-node1", "gone"));
}

TEST_F(Mirrors, ManyQuickEditsEndInOneMirror) {
  join();
  for (int i = 0; i < 20; ++i) {
    write("web.yaml", podText("web", "", "image: 'nginx:1', command: [serve, '" + std::to_string(i) + "']"));
    runUntil("a moment", [turns = 2]() mutable { return turns-- <= 0; });
  }
  ASSERT_TRUE(runUntil("the last one is shown", [&] {
    const auto pod = server.pod("web-node1");
    return pod && pod->spec.containers[0].command.back() == "19" && shownRunning("web-node1") &&
           runtime.list()->size() == 1;
  }));
  EXPECT_EQ(hash("web-node1"), uid("web").str());
}

}  // namespace
}  // namespace keelson::kubelet::cluster
