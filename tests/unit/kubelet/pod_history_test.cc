#include "kubelet/pod_history.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

TEST(RecordObserved, AdoptsAnInstanceThatWasNeverSaved) {
  PodWorld world(onePod());
  world.sandbox(2).running("web", 4);
  world.record = {};
  world.fold();
  const auto& container = world.record.containers.at("web");
  EXPECT_EQ(container.next_attempt, 5u);
  EXPECT_EQ(container.current->id, idOf("web", 4));
  EXPECT_EQ(container.current->image, "nginx:1");
  EXPECT_EQ(container.current->sandbox_attempt, 2u);
  EXPECT_EQ(world.record.next_sandbox, 3u);
  EXPECT_EQ(world.record.start_time, kNow);
}

TEST(RecordObserved, AdoptsAnInstanceWhoseLogAloneWasCounted) {
  PodWorld world(onePod());
  world.sandbox().running("web", 0);
  world.record.containers["web"].next_attempt = 1;
  world.fold();
  EXPECT_EQ(world.record.containers["web"].next_attempt, 1u);
  ASSERT_TRUE(world.record.containers["web"].current);
  EXPECT_EQ(world.record.containers["web"].current->id, idOf("web", 0));
}

TEST(RecordObserved, NotesAnEndOnceWithItsMessage) {
  PodWorld world(onePod());
  world.sandbox().running("web").fold();
  world.end("web", 3, 0);
  ASSERT_EQ(newExits(world.observed.runtime, world.record).size(), 1u);
  world.record =
      recordObserved(world.pod, world.observed.runtime, {{idOf("web", 0), "bye"}}, world.record, world.now);
  EXPECT_EQ(world.record.containers["web"].current->exit->message, "bye");
  EXPECT_EQ(world.record.containers["web"].current->exit->reason, "Error");
  EXPECT_TRUE(newExits(world.observed.runtime, world.record).empty());
  world.fold();
  EXPECT_EQ(world.record.containers["web"].current->exit->message, "bye");
}

TEST(RecordObserved, AnEndOfTheSandboxIsTheEndOfWhatRan) {
  PodWorld world(onePod());
  world.sandbox().running("web").fold();
  world.observed.runtime = {};
  world.pass(seconds(5)).fold();
  const auto& exit = *world.record.containers["web"].current->exit;
  EXPECT_EQ(exit.reason, "ContainerStatusUnknown");
  EXPECT_EQ(exit.finished_at, kNow + seconds(5));
}

TEST(RecordObserved, EndsThatTheShimRecordedBeforeItWasLostCount) {
  PodWorld world(onePod());
  world.sandbox().running("web").fold();
  world.end("web", 0);
  world.observed.runtime.sandbox = runtime::SandboxPhase::kLost;
  world.fold();
  EXPECT_EQ(world.record.containers["web"].current->exit->reason, "Completed");
}

TEST(RecordObserved, ANewerInstanceMakesTheOldOneThePrevious) {
  PodWorld world(onePod());
  world.sandbox().running("web").fold();
  world.end("web", 1).running("web", 1).fold();
  const auto& container = world.record.containers["web"];
  EXPECT_EQ(container.current->attempt, 1u);
  EXPECT_EQ(container.previous->attempt, 0u);
  EXPECT_EQ(container.previous->exit->exit_code, 1);
}

TEST(RecordObserved, AnEndingIsForGood) {
  PodWorld world(onePod("Never"));
  world.sandbox().exited("web", 0).fold();
  ASSERT_TRUE(world.record.ending);
  EXPECT_EQ(world.record.ending->phase, "Succeeded");
  world.pass(hours(1)).fold();
  EXPECT_EQ(world.record.ending->at, kNow);
}

TEST(RecordObserved, FoldingTwiceChangesNothing) {
  PodWorld world(onePod());
  world.sandbox().exited("web", 1).running("web", 1).fold();
  const PodRecord once = world.record;
  world.fold();
  EXPECT_EQ(world.record, once);
}

}  // namespace
}  // namespace keelson::kubelet
