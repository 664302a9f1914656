#include "api/client/url.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

TEST(ParseServerUrl, TakesServersApart) {
  const struct {
    const char* text;
    ServerUrl want;
  } cases[] = {
      {"https://10.0.0.1:6443", {"https", "10.0.0.1", 6443, ""}},
      {"https://kube.example.com", {"https", "kube.example.com", 443, ""}},
      {"http://localhost:8080/", {"http", "localhost", 8080, ""}},
      {"http://localhost", {"http", "localhost", 80, ""}},
      {"https://[fd00::1]:6443/k8s/clusters/c1/", {"https", "fd00::1", 6443, "/k8s/clusters/c1"}},
      {"https://[FD00:0::1]", {"https", "fd00::1", 443, ""}},
      {"https://a:", {"https", "a", 443, ""}},
  };
  for (const auto& c : cases) {
    const auto got = parseServerUrl(c.text);
    ASSERT_TRUE(got.ok()) << c.text << ": " << got.error().text;
    EXPECT_EQ(*got, c.want) << c.text;
  }
}

TEST(ParseServerUrl, RefusesWhatIsNoServer) {
  for (const char* text : {"", "10.0.0.1:6443", "ftp://a", "https://", "https://:1", "https://a:0",
                           "https://a:65536", "https://a:b", "https://u:p@a", "https://a?x=1", "https://a#x",
                           "https://[::1", "https://[10.0.0.1]", "https://[::1]x", "https://a b",
                           "https://-a", "https://a/../b", "https://a\r\nHost: b", "https://::1"}) {
    EXPECT_FALSE(parseServerUrl(text).ok()) << text;
  }
}

TEST(BuildUrl, EncodesPathAndQuery) {
  const ServerUrl server{"https", "fd00::1", 6443, "/x"};
  EXPECT_EQ(*buildUrl(server, server.host, "/api/v1/pods", {}), "https://[fd00::1]:6443/x/api/v1/pods");
  EXPECT_EQ(*buildUrl(server, "kube", "/a/system:node:b%2F c?d#e", {{"a b", "c=d&e,f"}, {"g", ""}}),
            "https://kube:6443/x/a/system:node:b%252F%20c%3Fd%23e?a%20b=c%3Dd%26e%2Cf&g=");
}

TEST(BuildUrl, RefusesPathsThatLeaveTheApi) {
  const ServerUrl server{"https", "a", 443, ""};
  for (const char* path : {"", "api", "/api/../x", "/..", "/.", "/api/./v1", "/a/.."}) {
    EXPECT_FALSE(buildUrl(server, "a", path, {}).ok()) << path;
  }
  EXPECT_TRUE(buildUrl(server, "a", "/a/...", {}).ok());
  EXPECT_FALSE(buildUrl(server, "a", "/" + std::string(20000, 'a'), {}).ok());
}

}  // namespace
}  // namespace keelson::api::client
