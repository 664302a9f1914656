#include "api/client/follow_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

using namespace std::chrono_literals;

// Steps as short texts: "list rv=0", "list limit=500", "watch 10", "wait 800ms".
std::string text(const FollowPlan::Step& step) {
  if (const auto* wait = std::get_if<FollowPlan::Wait>(&step)) return "wait " + formatDuration(wait->delay);
  const auto* list = std::get_if<FollowPlan::List>(&step);
  const ApiRequest& request = list != nullptr ? list->request : std::get<FollowPlan::Watch>(step).request;
  std::string out = list != nullptr ? "list" : "watch";
  for (const auto& [name, value] : request.query) {
    if (name != "watch" && name != "timeoutSeconds" && name != "allowWatchBookmarks")
      out += " " + name + "=" + value;
  }
  return out;
}

class FollowPlanTest : public ::testing::Test {
 protected:
  void SetUp() override { make(Duration{0}); }
  void make(Duration poll) {
    FollowSettings settings;
    settings.poll_interval = poll;
    plan.emplace(Collection{"/api/v1/pods", "", ""}, settings, [] { return 0.0; });
  }
  std::string start() { return text(plan->start()); }
  std::string listed(const std::string& version, const std::string& more = "") {
    return text(plan->listed(version, more, now));
  }
  std::string listFailed(Code code) { return text(plan->listFailed(Error{code, 0, "x"}, now)); }
  std::string ended(Code code, Duration after) {
    now += after;
    return text(plan->watchEnded(Error{code, 0, "x"}, now));
  }
  std::string endedWell(Duration after) {
    now += after;
    return text(plan->watchEnded({}, now));
  }
  std::string frames(const std::string& version) {
    const auto step = plan->framesCame(1, version, now);
    return step ? text(*step) : "";
  }
  std::string woken() { return text(plan->woken(now)); }

  SteadyTime now{1h};
  std::optional<FollowPlan> plan;
};

TEST_F(FollowPlanTest, ListsFromTheCacheThenWatches) {
  EXPECT_EQ(start(), "list resourceVersion=0");
  EXPECT_EQ(listed("10"), "watch resourceVersion=10");
  EXPECT_EQ(frames("12"), "");
  EXPECT_EQ(frames("11"), "");
  EXPECT_EQ(endedWell(6min), "watch resourceVersion=12");
}

TEST_F(FollowPlanTest, AsksForBookmarksAndARandomTime) {
  start();
  const auto step = plan->listed("10", "", now);
  const auto& watch = std::get<FollowPlan::Watch>(step);
  EXPECT_THAT(watch.request.query,
              ::testing::Contains(std::pair<std::string, std::string>("timeoutSeconds", "300")));
  EXPECT_THAT(watch.request.query,
              ::testing::Contains(std::pair<std::string, std::string>("allowWatchBookmarks", "true")));
  EXPECT_EQ(watch.idle, 2min);
}

TEST_F(FollowPlanTest, BacksOffWithGrowingWaitsUntilFramesCome) {
  start();
  listed("10");
  EXPECT_EQ(ended(Code::kUnavailable, 0s), "wait 800ms");
  EXPECT_EQ(woken(), "watch resourceVersion=10");
  EXPECT_EQ(ended(Code::kUnavailable, 0s), "wait 1.6s");
  woken();
  EXPECT_EQ(ended(Code::kUnavailable, 0s), "wait 3.2s");
  woken();
  frames("11");
  EXPECT_EQ(ended(Code::kUnavailable, 0s), "wait 800ms");
  EXPECT_EQ(woken(), "watch resourceVersion=11");
}

TEST_F(FollowPlanTest, WatchesAgainAtOnceAfterAStallButNotAfterAVeryShortWatch) {
  start();
  listed("10");
  EXPECT_EQ(ended(Code::kDeadlineExceeded, 2min), "watch resourceVersion=10");
  EXPECT_EQ(endedWell(100ms), "wait 800ms");
}

TEST_F(FollowPlanTest, ListsConsistentlyInPagesWhenHistoryIsGone) {
  start();
  listed("10");
  EXPECT_EQ(ended(Code::kDataLoss, 1min), "wait 800ms");
  EXPECT_EQ(woken(), "list limit=500");
  EXPECT_EQ(listed("20", "t1"), "list limit=500 continue=t1");
  EXPECT_EQ(listed("20", "t2"), "list limit=500 continue=t2");
  EXPECT_EQ(listFailed(Code::kDataLoss), "list");
  EXPECT_EQ(listed("21"), "watch resourceVersion=21");
}

TEST_F(FollowPlanTest, TakesALowerVersionOfAConsistentList) {
  start();
  listed("100");
  ended(Code::kDataLoss, 1s);
  woken();
  EXPECT_EQ(listed("50"), "watch resourceVersion=50");
}

TEST_F(FollowPlanTest, ListsInPagesWhatIsTooLargeForOneAnswer) {
  start();
  EXPECT_EQ(listFailed(Code::kResourceExhausted), "wait 800ms");
  EXPECT_EQ(woken(), "list limit=500");
}

TEST_F(FollowPlanTest, RetriesTheFirstListAsItWas) {
  start();
  EXPECT_EQ(listFailed(Code::kUnavailable), "wait 800ms");
  EXPECT_EQ(woken(), "list resourceVersion=0");
  EXPECT_EQ(listFailed(Code::kUnavailable), "wait 1.6s");
}

TEST_F(FollowPlanTest, PollsOnlyWhenListsWorkAndWatchesDoNot) {
  make(15s);
  start();
  listed("10");
  const std::string again = "list resourceVersion=10 resourceVersionMatch=NotOlderThan";
  for (int i = 0; i < 2; ++i) {
    ended(Code::kUnavailable, 0s);
    EXPECT_EQ(woken(), "watch resourceVersion=10");
  }
  ended(Code::kUnavailable, 0s);
  EXPECT_EQ(woken(), again);
  // The server is away: no proof against watches.
  for (int i = 0; i < 5; ++i) {
    listFailed(Code::kUnavailable);
    EXPECT_EQ(woken(), again);
  }
  EXPECT_EQ(listed("10"), "watch resourceVersion=10");
  ended(Code::kUnavailable, 0s);
  EXPECT_FALSE(plan->polling());
  EXPECT_EQ(woken(), again);
  listed("10");
  EXPECT_EQ(ended(Code::kUnavailable, 0s), "wait 15s");
  EXPECT_TRUE(plan->polling());
  EXPECT_EQ(woken(), again);
  EXPECT_EQ(listed("11"), "wait 15s");
}

TEST_F(FollowPlanTest, ReturnsToWatchingWhenFramesGetThrough) {
  make(15s);
  start();
  listed("10");
  for (int i = 0; i < 20 && !plan->polling(); ++i) {
    if (ended(Code::kUnavailable, 0s); plan->polling()) break;
    if (woken().starts_with("list")) listed("10");
  }
  ASSERT_TRUE(plan->polling());
  now += 6min;
  woken();
  EXPECT_EQ(listed("30"), "watch resourceVersion=0");
  EXPECT_EQ(ended(Code::kDeadlineExceeded, 10s), "wait 15s");
  EXPECT_TRUE(plan->polling());
  now += 6min;
  woken();
  EXPECT_EQ(listed("40"), "watch resourceVersion=0");
  EXPECT_EQ(frames("5"), "watch resourceVersion=40");
  EXPECT_FALSE(plan->polling());
}

}  // namespace
}  // namespace keelson::api::client
