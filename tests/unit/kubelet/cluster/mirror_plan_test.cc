#include "kubelet/cluster/mirror_plan.h"

#include <gtest/gtest.h>

#include "kubelet/static_pod.h"

namespace keelson::kubelet::cluster {
namespace {

using Views = std::vector<std::shared_ptr<const PodView>>;

const NodeIdentity kNode{"node1", "node-uid"};

api::Pod staticPod(const std::string& name, const std::string& uid) {
  api::Pod pod;
  pod.metadata.name = name;
  pod.metadata.uid = uid;
  pod.metadata.resource_version = "7";
  return makeStaticPod(std::move(pod), "node1", "/m/" + name, WallTime{});
}

std::shared_ptr<PodView> viewOf(api::Pod pod, const std::string& source = "/m/x") {
  auto view = std::make_shared<PodView>();
  view->pod = std::make_shared<const api::Pod>(std::move(pod));
  view->source = source;
  return view;
}

api::PodPtr mirrorOf(const api::Pod& pod, const std::string& uid) {
  api::Pod mirror = makeMirror(pod, kNode);
  mirror.metadata.uid = uid;
  return std::make_shared<const api::Pod>(std::move(mirror));
}

TEST(PlanMirrors, AStaticPodGetsOneMirror) {
  const api::Pod pod = staticPod("web", "hash");
  const auto plan = planMirrors({viewOf(pod)}, {}, kNode);
  ASSERT_EQ(plan.create.size(), 1u);
  EXPECT_TRUE(plan.remove.empty());
  const api::ObjectMeta& metadata = plan.create[0].metadata;
  EXPECT_EQ(metadata.name, "web-node1");
  EXPECT_EQ(metadata.uid, "");
  EXPECT_EQ(metadata.resource_version, "");
  EXPECT_EQ(metadata.annotations.at(kConfigMirror), "hash");
  EXPECT_EQ(metadata.annotations.at(kConfigHash), "hash");
  EXPECT_EQ(plan.create[0].spec.node_name, "node1");
}

TEST(PlanMirrors, NothingIsDoneWhereAllIsAsItShouldBe) {
  const api::Pod pod = staticPod("web", "hash");
  const auto plan = planMirrors({viewOf(pod)}, {mirrorOf(pod, "m1")}, kNode);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_TRUE(plan.remove.empty());
}

TEST(PlanMirrors, WithoutANodeNoneIsMade) {
  EXPECT_TRUE(planMirrors({viewOf(staticPod("web", "hash"))}, {}, {"node1", ""}).create.empty());
}

TEST(PlanMirrors, AMirrorOfAnotherVersionGoesFirst) {
  const auto plan =
      planMirrors({viewOf(staticPod("web", "new"))}, {mirrorOf(staticPod("web", "old"), "m1")}, kNode);
  EXPECT_TRUE(plan.create.empty());
  ASSERT_EQ(plan.remove.size(), 1u);
  EXPECT_EQ(plan.remove[0].uid, "m1");
}

TEST(PlanMirrors, AMirrorThatIsBeingDeletedIsRemoved) {
  const api::Pod pod = staticPod("web", "hash");
  api::Pod mirror = *mirrorOf(pod, "m1");
  mirror.metadata.deletion_timestamp = WallTime{};
  const auto plan = planMirrors({viewOf(pod)}, {std::make_shared<const api::Pod>(mirror)}, kNode);
  EXPECT_EQ(plan.remove.size(), 1u);
  EXPECT_TRUE(plan.create.empty());
}

TEST(PlanMirrors, AMirrorStaysAsLongAsItsPodIsNotGone) {
  const api::Pod pod = staticPod("web", "hash");
  auto ending = viewOf(pod, "none");
  ending->terminating = true;
  EXPECT_TRUE(planMirrors({ending}, {mirrorOf(pod, "m1")}, kNode).remove.empty());
  EXPECT_TRUE(planMirrors({ending}, {}, kNode).create.empty());
  EXPECT_EQ(planMirrors({}, {mirrorOf(pod, "m1")}, kNode).remove.size(), 1u);
}

TEST(PlanMirrors, PodsOfTheApiServerAreNobodysMirror) {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "u";
  const auto api_pod = std::make_shared<const api::Pod>(pod);
  const auto plan = planMirrors({viewOf(pod, kApiSource)}, {api_pod}, kNode);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_TRUE(plan.remove.empty());
}

TEST(PlanMirrors, ATakenNameIsWaitedFor) {
  api::Pod stranger;
  stranger.metadata.name = "web-node1";
  stranger.metadata.namespace_ = "default";
  const auto plan =
      planMirrors({viewOf(staticPod("web", "hash"))}, {std::make_shared<const api::Pod>(stranger)}, kNode);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_TRUE(plan.remove.empty());
}

}  // namespace
}  // namespace keelson::kubelet::cluster
