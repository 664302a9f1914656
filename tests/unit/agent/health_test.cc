#include "agent/health.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace keelson::agent {
namespace {

kubelet::server::Reply ask(const Health& health, const std::string& target) {
  const auto routes = health.routes();
  const auto match = kubelet::server::matchRoute(routes, "GET", target);
  if (!match) return kubelet::server::Reply::ofError(match.error());
  kubelet::server::Reply reply;
  match->route->handle(match->call, [&](kubelet::server::Outcome outcome) {
    reply = std::get<kubelet::server::Reply>(std::move(outcome));
  });
  return reply;
}

TEST(PlanHealth, FailsForASilentLoopOrAStuckStrand) {
  const HealthLimits limits;
  EXPECT_TRUE(planHealth(std::chrono::seconds(2), {}, limits));
  EXPECT_FALSE(planHealth(std::chrono::minutes(6), {}, limits));
  EXPECT_TRUE(planHealth({}, {{"pod a", 3, std::chrono::minutes(5)}}, limits));
  const auto stuck = planHealth({}, {{"pod a", 3, std::chrono::minutes(31)}}, limits);
  ASSERT_FALSE(stuck);
  EXPECT_NE(stuck.error().text.find("strand pod a"), std::string::npos);
}

TEST(Health, AnswersOkOrNamesWhatFails) {
  Loop loop;
  FakeClock clock;
  Health health(loop, clock);
  EXPECT_EQ(ask(health, "/healthz").body, "ok");
  EXPECT_EQ(ask(health, "/livez").status, 200);
  EXPECT_EQ(ask(health, "/healthz/ping").body, "ok");
  EXPECT_EQ(ask(health, "/healthz/none").status, 404);
  EXPECT_NE(ask(health, "/healthz?verbose").body.find("[+]syncloop ok"), std::string::npos);
  clock.advance(std::chrono::minutes(6));
  EXPECT_FALSE(health.check());
  EXPECT_EQ(ask(health, "/healthz").status, 500);
  EXPECT_NE(ask(health, "/healthz").body.find("[-]syncloop failed"), std::string::npos);
  EXPECT_EQ(ask(health, "/healthz/ping").status, 200);
}

}  // namespace
}  // namespace keelson::agent
