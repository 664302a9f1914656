#include "kubelet/server/http.h"

#include <gtest/gtest.h>

namespace keelson::kubelet::server {
namespace {

std::vector<Route> table() {
  const auto nothing = [](Call, Respond) {};
  return {{"GET", "/v1/pods", nothing, nullptr},
          {"GET", "/containerLogs/{namespace}/{pod}/{container}", nothing, nullptr},
          {"POST", "/v1/images/pull", nothing, nullptr}};
}

TEST(MatchRoute, FillsCapturesAndQuery) {
  const auto routes = table();
  const auto match =
      matchRoute(routes, "GET", "/containerLogs/kube%2Dsystem/a/b?tailLines=5&follow&name=a+b%20c");
  ASSERT_TRUE(match) << match.error().text;
  EXPECT_EQ(match->route, &routes[1]);
  EXPECT_EQ(match->call.capture("namespace"), "kube-system");
  EXPECT_EQ(match->call.capture("container"), "b");
  EXPECT_EQ(match->call.queryValue("tailLines"), "5");
  EXPECT_TRUE(match->call.queryFlag("follow"));
  EXPECT_FALSE(match->call.queryFlag("previous"));
  EXPECT_EQ(match->call.queryValue("name"), "a b c");
}

TEST(MatchRoute, RefusesWhatIsNotInTheTable) {
  const auto routes = table();
  const struct {
    const char *method, *target;
    Code code;
  } cases[] = {
      {"GET", "/nothing", Code::kNotFound},
      {"DELETE", "/v1/pods", Code::kUnsupported},
      {"GET", "/containerLogs/a/b", Code::kNotFound},
      {"GET", "/containerLogs/a//c", Code::kNotFound},
      {"GET", "/containerLogs/a/%zz/c", Code::kInvalidArgument},
      {"GET", "/v1/pods?x=%1", Code::kInvalidArgument},
  };
  for (const auto& each : cases) {
    const auto match = matchRoute(routes, each.method, each.target);
    ASSERT_FALSE(match) << each.target;
    EXPECT_EQ(match.error().code, each.code) << each.target;
  }
  EXPECT_FALSE(matchRoute(routes, "GET", "/v1/pods?" + std::string(5000, '&')));
}

TEST(Call, NumbersAreChecked) {
  Call call;
  call.query = {{"n", "12"}, {"bad", "12x"}, {"low", "-1"}, {"huge", "99999999999999999999"}};
  EXPECT_EQ(call.queryNumber("n", 0, 100, 7).valueOr(-1), 12);
  EXPECT_EQ(call.queryNumber("absent", 0, 100, 7).valueOr(-1), 7);
  for (const char* name : {"bad", "low", "huge"}) {
    const auto number = call.queryNumber(name, 0, 100, 7);
    ASSERT_FALSE(number);
    EXPECT_NE(number.error().text.find(name), std::string::npos);
  }
}

TEST(Reply, ErrorsAreStatusObjects) {
  const Reply reply = Reply::ofError(makeError(Code::kNotFound, "pods \"x\" not found"));
  EXPECT_EQ(reply.status, 404);
  const auto status = parseJson(reply.body);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->at("reason"), "NotFound");
  EXPECT_EQ(status->at("message"), "pods \"x\" not found");
}

}  // namespace
}  // namespace keelson::kubelet::server
