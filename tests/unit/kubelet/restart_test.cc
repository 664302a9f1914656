#include "kubelet/restart.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

TEST(Restart, AShortLongestWaitIsAlsoTheFirst) {
  EXPECT_EQ(restartBackoff(seconds(5)).initial, seconds(5));
  EXPECT_EQ(restartBackoff(seconds(5)).max, seconds(5));
  EXPECT_EQ(restartBackoff(seconds(300)).initial, seconds(10));
}

TEST(Restart, IsMeasuredFromTheEndOfTheLastInstance) {
  const BackoffPolicy policy = restartBackoff(seconds(300));
  const Backoff backoff{seconds(40), kNow};
  EXPECT_EQ(restartAt(policy, backoff, kNow + seconds(100)), kNow + seconds(140));
}

TEST(Restart, TheWaitItselfDoesNotResetTheBackOff) {
  const BackoffPolicy policy = restartBackoff(seconds(300));
  // Ran six minutes, waited five: eleven since the last update, but the end came after six.
  const Backoff backoff{seconds(300), kNow};
  const Backoff next = afterRestart(policy, backoff, kNow + minutes(6), kNow + minutes(11));
  EXPECT_EQ(next.delay, seconds(300));
  EXPECT_EQ(next.updated, kNow + minutes(11));
}

TEST(Restart, InitContainersAreDoneOnceTheySucceed) {
  const api::Pod pod = onePod("Always");
  api::ContainerStateTerminated exit;
  EXPECT_FALSE(restartsAfter(pod.spec, pod.spec.containers[0], ContainerKind::kInit, exit));
  exit.exit_code = 1;
  EXPECT_TRUE(restartsAfter(pod.spec, pod.spec.containers[0], ContainerKind::kInit, exit));
  EXPECT_TRUE(restartsAfter(onePod("Never").spec, pod.spec.containers[0], ContainerKind::kSidecar, exit));
}

}  // namespace
}  // namespace keelson::kubelet
