#include "kubelet/pod_lookup.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

std::shared_ptr<PublishedPod> published(const std::string& name, const std::string& uid = "uid-1",
                                        bool terminating = false) {
  auto pod = std::make_shared<PublishedPod>();
  auto view = std::make_shared<PodView>();
  api::Pod spec = onePod();
  spec.metadata.name = name;
  spec.metadata.uid = uid;
  view->terminating = terminating;
  view->pod = std::make_shared<const api::Pod>(std::move(spec));
  pod->view = view;
  return pod;
}

TEST(FindPod, KnowsStaticPodsByTheirShortName) {
  const std::vector<PublishedPodPtr> pods{published("web-node1"), published("other-node1")};
  EXPECT_EQ((*findPod(pods, "default", "web", "Node1"))->view->pod->metadata.name, "web-node1");
  EXPECT_EQ((*findPod(pods, "default", "web-node1", "node1"))->view->pod->metadata.name, "web-node1");
  EXPECT_EQ(findPod(pods, "default", "none", "node1").error().text, "pods \"none\" not found");
  EXPECT_EQ(findPod(pods, "elsewhere", "web", "node1").error().code, Code::kNotFound);
}

TEST(FindPod, AnEndingPodIsMeantUntilItsSuccessorHasStarted) {
  auto old_pod = published("web", "old", true);
  auto new_pod = published("web", "new");
  EXPECT_EQ(*findPod({old_pod, new_pod}, "default", "web", "n"), old_pod);
  new_pod->containers["web"] = {};
  EXPECT_EQ(*findPod({old_pod, new_pod}, "default", "web", "n"), new_pod);
  EXPECT_EQ(findPod({published("web", "a"), published("web", "b")}, "default", "web", "n").error().code,
            Code::kInvalidArgument);
}

TEST(FindInstance, HasKubeletsMessages) {
  auto pod = published("web");
  EXPECT_EQ(findInstance(*pod, "nope", Kubelet::Which::kCurrent).error().text,
            "container nope is not valid for pod web");
  EXPECT_EQ(findInstance(*pod, "web", Kubelet::Which::kCurrent).error().text,
            "container \"web\" in pod \"web\" is waiting to start: ContainerCreating");
  EXPECT_EQ(findInstance(*pod, "web", Kubelet::Which::kPrevious).error().text,
            "previous terminated container \"web\" in pod \"web\" not found");
}

TEST(FindInstance, ThePreviousOneIsTheOneInTheLastState) {
  auto pod = published("web");
  pod->containers["web"] = {PublishedPod::Instance{ContainerId("b"), 1, true},
                            PublishedPod::Instance{ContainerId("a"), 0, false}};
  EXPECT_EQ(findInstance(*pod, "web", Kubelet::Which::kCurrent)->attempt, 1u);
  EXPECT_EQ(findInstance(*pod, "web", Kubelet::Which::kPrevious)->attempt, 0u);
  // In back-off the newest instance is dead and is the last state.
  api::Pod waiting = *pod->view->pod;
  api::ContainerStatus status;
  status.name = "web";
  status.state.waiting = api::ContainerStateWaiting{"CrashLoopBackOff", ""};
  waiting.status.container_statuses = {status};
  auto view = std::make_shared<PodView>(*pod->view);
  view->pod = std::make_shared<const api::Pod>(waiting);
  pod->view = view;
  pod->containers["web"].current->running = false;
  EXPECT_EQ(findInstance(*pod, "web", Kubelet::Which::kPrevious)->attempt, 1u);
}

}  // namespace
}  // namespace keelson::kubelet
