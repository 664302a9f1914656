#include "probes/probe_state.h"

#include <gtest/gtest.h>

namespace keelson::probes {
namespace {

// Feeds outcomes ('+', '-') and gives the result after each ('T', 'F'), in lower case while no threshold was
// reached.
std::string results(Kind kind, int success, int failure, const std::string& outcomes,
                    std::optional<bool> known = {}) {
  api::Probe probe;
  probe.success_threshold = success;
  probe.failure_threshold = failure;
  ProbeState state = initialState(kind, known);
  std::string seen;
  for (const char outcome : outcomes) {
    const Step step = nextState(state, probe, outcome == '+');
    state = step.state;
    seen += step.reached ? (state.result ? 'T' : 'F') : (state.result ? 't' : 'f');
  }
  return seen;
}

TEST(ProbeState, AResultNeedsAsManyEqualOutcomesInARowAsItsThreshold) {
  EXPECT_EQ(results(Kind::kReadiness, 1, 3, "+--+---+"), "TttTttFT");
  EXPECT_EQ(results(Kind::kReadiness, 2, 1, "+-++-"), "fFfTF");
  EXPECT_EQ(results(Kind::kLiveness, 1, 3, "--+---"), "ttTttF");
  EXPECT_EQ(results(Kind::kStartup, 1, 2, "-+"), "fT");
  EXPECT_EQ(results(Kind::kReadiness, 1, 3, std::string(10, '+')), "TTTTTTTTTT");
}

TEST(ProbeState, WhatAnEarlierLifeSawHoldsUntilAThresholdIsReached) {
  EXPECT_EQ(results(Kind::kReadiness, 1, 3, "---", true), "ttF");
  EXPECT_EQ(results(Kind::kReadiness, 2, 3, "++", false), "fT");
}

TEST(ProbeState, TheFirstLookWaitsForTheInitialDelayOnly) {
  api::Probe probe;
  probe.initial_delay_seconds = 5;
  const WallTime start{std::chrono::seconds(1000)};
  EXPECT_EQ(firstProbe(probe, start, start), start + std::chrono::seconds(5));
  EXPECT_EQ(firstProbe(probe, start, start + std::chrono::seconds(9)), start + std::chrono::seconds(9));
}

TEST(ProbeState, EarlyLooksGetRarerAndEndWithinASecondOrAPeriod) {
  for (const bool command : {false, true}) {
    api::Probe probe;
    if (command) probe.exec = api::ExecAction{};
    Duration passed{0};
    int looks = 0;
    while (const auto pause = nextEarlyLook(probe, looks)) {
      passed += *pause;
      ++looks;
    }
    EXPECT_EQ(looks, command ? 3 : 5);
    EXPECT_LT(passed, kSettling);
  }
}

}  // namespace
}  // namespace keelson::probes
