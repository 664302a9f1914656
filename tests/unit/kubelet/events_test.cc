#include "kubelet/events.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

TEST(EventList, CountsLikeEvents) {
  EventList list;
  list.add(makeEvent("Normal", "Pulled", "m", "", kNow));
  list.add(makeEvent("Normal", "Pulled", "m", "", kNow + seconds(5)));
  list.add(makeEvent("Normal", "Pulled", "other", "", kNow));
  ASSERT_EQ(list.all().size(), 2u);
  EXPECT_EQ(list.all()[0].count, 2);
  EXPECT_EQ(list.all()[0].first_seen, kNow);
  EXPECT_EQ(list.all()[0].last_seen, kNow + seconds(5));
}

TEST(EventList, ForgetsTheOneSeenLongestAgo) {
  EventList list;
  for (size_t i = 0; i <= kMaxPodEvents; ++i) {
    list.add(
        makeEvent("Normal", "R", std::to_string(i), "", kNow + seconds(i == 0 ? 1000 : static_cast<int>(i))));
  }
  EXPECT_EQ(list.all().size(), kMaxPodEvents);
  EXPECT_EQ(list.all()[0].message, "0");
  EXPECT_EQ(list.all()[1].message, "2");
}

TEST(Timeline, IsARingThatJoinsRepeats) {
  Timeline timeline;
  timeline.add({kNow, Duration{0}, "MakeSandbox 0", "no space"});
  timeline.add({kNow + seconds(1), Duration{0}, "MakeSandbox 0", "no space"});
  EXPECT_EQ(timeline.all().size(), 1u);
  for (size_t i = 0; i < 2 * kMaxPodTimeline; ++i) timeline.add({kNow, Duration{0}, std::to_string(i), ""});
  EXPECT_EQ(timeline.all().size(), kMaxPodTimeline);
}

}  // namespace
}  // namespace keelson::kubelet
