#include "kubelet/server/node_guard.h"

#include <gtest/gtest.h>

namespace keelson::kubelet::server {
namespace {

NeededRight rightFor(const std::string& method, const std::string& path, bool upgrade = false) {
  RequestHead head;
  head.method = method;
  head.path = path;
  head.upgrade = upgrade;
  return neededRight(head);
}

TEST(NeededRight, IsUpstreamsForEveryPath) {
  const std::vector<std::tuple<std::string, std::string, NeededRight>> table = {
      {"GET", "/pods", {"get", {"pods", "proxy"}}},
      {"GET", "/pods/", {"get", {"pods", "proxy"}}},
      {"GET", "/runningpods/", {"get", {"pods", "proxy"}}},
      {"GET", "/healthz", {"get", {"healthz", "proxy"}}},
      {"GET", "/healthz/ping", {"get", {"healthz", "proxy"}}},
      {"GET", "/configz", {"get", {"configz", "proxy"}}},
      {"GET", "/flagz", {"get", {"configz"}}},
      {"GET", "/statusz", {"get", {"statusz"}}},
      {"GET", "/stats/summary", {"get", {"stats"}}},
      {"GET", "/metrics", {"get", {"metrics"}}},
      {"GET", "/metrics/resource", {"get", {"metrics"}}},
      {"GET", "/logs/", {"get", {"log"}}},
      {"POST", "/checkpoint/a/b/c", {"create", {"checkpoint"}}},
      {"GET", "/containerLogs/a/b/c", {"get", {"proxy"}}},
      {"POST", "/run/a/b/c", {"create", {"proxy"}}},
      {"POST", "/exec/a/b/c", {"create", {"proxy"}}},
      {"PUT", "/debug/flags/v", {"update", {"proxy"}}},
      {"DELETE", "/x", {"delete", {"proxy"}}},
      {"PATCH", "/x", {"patch", {"proxy"}}},
      {"HEAD", "/pods", {"", {"pods", "proxy"}}},
  };
  for (const auto& [method, path, right] : table) EXPECT_EQ(rightFor(method, path), right) << method << path;
}

TEST(NeededRight, OfANameThatOnlyBeginsTheSameIsProxy) {
  for (const char* path :
       {"/statsx", "/metricsfoo/x", "/podsandmore", "/logsx", "/%73tats", "//stats", "/exec/../stats"})
    EXPECT_EQ(rightFor("POST", path).subresources, std::vector<std::string>{"proxy"}) << path;
}

TEST(NeededRight, OfAStreamIsCreateHoweverItIsAskedFor) {
  for (const char* path : {"/exec/a/b/c", "/attach/a/b/c", "/portForward/a/b"})
    EXPECT_EQ(rightFor("GET", path), (NeededRight{"create", {"proxy"}})) << path;
  EXPECT_EQ(rightFor("GET", "/stats/summary", true).verb, "create");
}

TEST(BearerToken, IsReadFromItsHeaderAlone) {
  EXPECT_EQ(bearerToken("Bearer abc"), "abc");
  EXPECT_EQ(bearerToken("bearer  abc def"), "abc");
  for (const char* bad : {"", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc"})
    EXPECT_EQ(bearerToken(bad), "") << bad;
  EXPECT_EQ(bearerToken("Bearer " + std::string(100'000, 'x')), "");
}

TEST(Reviews, SayWhatUpstreamSays) {
  const Attributes attributes{{"ann", "7", {"g1"}, {{"scopes", {"a"}}}}, "get", "stats", "node1"};
  const auto spec = buildAccessReview(attributes).at("spec");
  EXPECT_EQ(spec.at("resourceAttributes"), (json::value{{"verb", "get"},
                                                        {"version", "v1"},
                                                        {"resource", "nodes"},
                                                        {"subresource", "stats"},
                                                        {"name", "node1"}}));
  EXPECT_EQ(spec.at("user"), "ann");
  EXPECT_EQ(spec.at("extra"), (json::value{{"scopes", json::array{"a"}}}));
}

TEST(Reviews, AreRefusedUnlessTheyClearlyAllow) {
  for (const char* text : {"{}", "[]", "null", R"({"status":{}})", R"({"status":{"allowed":"yes"}})",
                           R"({"status":{"allowed":true,"denied":true}})"}) {
    const auto allowed = readAccessReview(json::parse(text));
    EXPECT_FALSE(allowed && *allowed) << text;
  }
  for (const char* text : {"{}", R"({"status":{"authenticated":true}})",
                           R"({"status":{"authenticated":"true","user":{"username":"a"}}})"})
    EXPECT_FALSE(readTokenReview(json::parse(text))) << text;
}

}  // namespace
}  // namespace keelson::kubelet::server
