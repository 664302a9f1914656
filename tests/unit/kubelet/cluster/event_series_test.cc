#include "kubelet/cluster/event_series.h"

#include <gtest/gtest.h>

#include "api/codec.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1} + std::chrono::microseconds(42)};

Event event(const std::string& message) {
  return {"Warning", "BackOff", message, "spec.containers{web}", 1, kNow, kNow};
}

api::ObjectReference pod() {
  api::Pod made;
  made.metadata.name = "web";
  made.metadata.namespace_ = "shop";
  made.metadata.uid = "uid-1";
  return podReference(made);
}

TEST(ApiEvent, IsWhatTheEventsApiAsksFor) {
  const auto made = api::encode(makeApiEvent(pod(), event("again"), "node1", "0a1b"));
  EXPECT_EQ(
      json::serialize(made),
      R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"web.0a1b","namespace":"shop"},)"
      R"("eventTime":"2026-01-01T00:00:00.000042Z","reportingController":"kubelet",)"
      R"("reportingInstance":"node1","action":"BackOff","reason":"BackOff","regarding":{"kind":"Pod",)"
      R"("namespace":"shop","name":"web","uid":"uid-1","apiVersion":"v1",)"
      R"("fieldPath":"spec.containers{web}"},"note":"again","type":"Warning"})");
}

TEST(ApiEvent, OfANodeStandsInTheDefaultNamespace) {
  const auto made = makeApiEvent(nodeReference("node1"), event("x"), "node1", "0");
  EXPECT_EQ(made.metadata.namespace_, "default");
  EXPECT_EQ(made.regarding.uid, "node1");
}

TEST(ApiEvent, TextsAreCutBetweenCharacters) {
  const std::string text = std::string(1023, 'a') + "\u00e4";  // its second byte is one too many
  EXPECT_EQ(makeApiEvent(pod(), event(text), "node1", "0").note, std::string(1023, 'a'));
  EXPECT_EQ(makeApiEvent(pod(), event("x"), std::string(300, 'n'), "0").reporting_instance.size(), 128u);
}

TEST(ApiEvent, ASeriesIsItsCountAndLastTime) {
  EXPECT_EQ(json::serialize(seriesPatch(3, kNow)),
            R"({"series":{"count":3,"lastObservedTime":"2026-01-01T00:00:00.000042Z"}})");
}

TEST(ApiEvent, LikeEventsShareAKey) {
  EXPECT_EQ(seriesKey(pod(), event("a")), seriesKey(pod(), event("a")));
  EXPECT_NE(seriesKey(pod(), event("a")), seriesKey(pod(), event("b")));
}

TEST(TokenBucket, GivesItsBurstAndThenOneForEachRefill) {
  TokenBucket bucket(25, minutes(5));
  SteadyTime now{};
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(bucket.take(now)) << i;
  EXPECT_FALSE(bucket.take(now));
  now += minutes(4);
  EXPECT_FALSE(bucket.take(now));
  EXPECT_LE(bucket.wait(now), minutes(1) + seconds(1));
  now += minutes(1) + seconds(1);
  EXPECT_TRUE(bucket.take(now));
  EXPECT_FALSE(bucket.take(now));
  now += std::chrono::hours(48);
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(bucket.take(now)) << i;
  EXPECT_FALSE(bucket.take(now));
}

}  // namespace
}  // namespace keelson::kubelet::cluster
