#include "runtime/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace keelson::runtime {
namespace {

TEST(ParseSignal, TakesNamesNumbersAndRealTimeOffsets) {
  const struct {
    const char* text;
    int number;
  } cases[] = {{"SIGTERM", SIGTERM}, {"TERM", SIGTERM}, {"term", SIGTERM}, {"sigquit", SIGQUIT},
               {"15", 15},           {"9", SIGKILL},    {"64", 64},        {"SIGRTMIN", 34},
               {"SIGRTMIN+3", 37},   {"RTMIN+3", 37},   {"SIGRTMAX", 64},  {"SIGRTMAX-2", 62},
               {"SIGWINCH", 28}};
  for (const auto& c : cases) EXPECT_EQ(parseSignal(c.text).valueOr(-1), c.number) << c.text;
}

TEST(ParseSignal, RefusesEverythingElse) {
  for (const char* text : {"", "SIG", "0", "-1", "65", "SIGFOO", "SIGRTMIN-1", "SIGRTMIN+31", "SIGRTMAX+1",
                           "SIGRTMAX-31", "SIGRTMIN+", "15x", " 15", "SIGRTMIN+-3", "99999999999999999999"}) {
    EXPECT_FALSE(parseSignal(text)) << text;
  }
}

TEST(StopSignal, PodWinsOverImageAndNonsenseIsTerm) {
  EXPECT_EQ(stopSignal("", ""), SIGTERM);
  EXPECT_EQ(stopSignal("", "SIGQUIT"), SIGQUIT);
  EXPECT_EQ(stopSignal("SIGUSR1", "SIGQUIT"), SIGUSR1);
  EXPECT_EQ(stopSignal("", "nonsense"), SIGTERM);
}

}  // namespace
}  // namespace keelson::runtime
