#include "agent/keelctl/print.h"

#include <gtest/gtest.h>

namespace keelson::keelctl {
namespace {

WallTime timeAt(const char* text) { return parseTime(text).value(); }

TEST(ShortDuration, ReadsAsInKubectl) {
  using namespace std::chrono;
  const struct {
    Duration duration;
    const char* text;
  } cases[] = {{seconds(0), "0s"},      {seconds(119), "119s"},        {minutes(2), "2m"},
               {seconds(130), "2m10s"}, {minutes(59), "59m"},          {hours(3), "3h"},
               {minutes(210), "3h30m"}, {hours(9) + minutes(5), "9h"}, {hours(24 * 3 + 2), "3d2h"},
               {hours(24 * 30), "30d"}, {hours(24 * 800), "2y"}};
  for (const auto& each : cases) EXPECT_EQ(shortDuration(each.duration), each.text);
}

TEST(SummarizePod, ShowsKubectlsColumns) {
  const WallTime now = timeAt("2026-01-01T00:10:00Z");
  const struct {
    const char *pod, *ready, *status, *restarts;
  } cases[] = {
      {R"({"spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}},{"ready":false,"restartCount":3,"lastState":{"terminated":{"finishedAt":"2026-01-01T00:09:00Z"}},"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
       "1/2", "CrashLoopBackOff", "3 (60s ago)"},
      {R"({"spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[{"ready":false,"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}})",
       "0/1", "Completed", "0"},
      {R"({"spec":{"containers":[{}]},"status":{"phase":"Failed","reason":"NodeAffinity"}})", "0/1",
       "NodeAffinity", "0"},
      {R"({"spec":{"containers":[{}]},"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}})",
       "0/1", "Terminating", "0"},
      {R"({"spec":{"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}},{"state":{"running":{}}}]}})",
       "0/1", "Init:1/2", "0"},
      {R"({"spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"signal":9,"exitCode":137}}}]}})",
       "0/1", "Signal:9", "0"},
      {R"({"spec":{"containers":[{}]},"status":{}})", "0/1", "Pending", "0"},
  };
  for (const auto& each : cases) {
    const PodSummary summary = summarizePod(parseJson(each.pod).value(), now);
    EXPECT_EQ(summary.ready, each.ready) << each.pod;
    EXPECT_EQ(summary.status, each.status) << each.pod;
    EXPECT_EQ(summary.restarts, each.restarts) << each.pod;
  }
}

TEST(At, MissingPartsAreNull) {
  const json::value value = parseJson(R"({"a":[{"b":"x"}]})").value();
  EXPECT_EQ(textAt(value, "a.0.b"), "x");
  for (const char* path : {"a.1.b", "a.b", "z", "a.0.b.c"}) EXPECT_TRUE(at(value, path).is_null()) << path;
}

TEST(Table, PadsColumns) {
  Table table({"A", "LONGER"});
  table.add({"value", "x"});
  EXPECT_EQ(table.str(), "A       LONGER\nvalue   x\n");
}

}  // namespace
}  // namespace keelson::keelctl
