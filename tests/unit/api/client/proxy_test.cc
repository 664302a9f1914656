#include "api/client/proxy.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

ServerUrl server(const std::string& text) { return parseServerUrl(text).value(); }

TEST(ProxyFor, FollowsGosRules) {
  const Environment env{{"HTTPS_PROXY", "proxy:3128"},
                        {"http_proxy", "http://plain"},
                        {"NO_PROXY", "10.0.0.0/8, example.com,.only.sub,192.168.1.1:6443"}};
  const struct {
    const char* server;
    const char* want;
  } cases[] = {
      {"https://kube.test", "http://proxy:3128"},
      {"http://kube.test", "http://plain:80"},
      {"https://10.1.2.3:6443", ""},
      {"https://11.1.2.3:6443", "http://proxy:3128"},
      {"https://example.com", ""},
      {"https://api.EXAMPLE.com", ""},
      {"https://notexample.com", "http://proxy:3128"},
      {"https://only.sub", "http://proxy:3128"},
      {"https://a.only.sub", ""},
      {"https://192.168.1.1:6443", ""},
      {"https://192.168.1.1:443", "http://proxy:3128"},
      {"https://localhost:6443", ""},
      {"https://127.0.0.1:6443", ""},
      {"https://[::1]:6443", ""},
  };
  for (const auto& c : cases) {
    const auto got = proxyFor(server(c.server), "", env);
    ASSERT_TRUE(got.ok()) << c.server;
    EXPECT_EQ(got->url, c.want) << c.server;
  }
}

TEST(ProxyFor, PrefersTheKubeconfigAndItHasNoExceptions) {
  const Environment env{{"HTTPS_PROXY", "http://other"}, {"NO_PROXY", "*"}};
  const auto got = proxyFor(server("https://127.0.0.1"), "socks5://u:p@[fd00::1]", env);
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->url, "socks5h://u:p@[fd00::1]:1080");
  EXPECT_EQ(got->host, "fd00::1");
  EXPECT_EQ(got->port, 1080);
  EXPECT_EQ(proxyFor(server("https://a"), "", env)->url, "");
  EXPECT_EQ(proxyFor(server("https://a"), "https://p", {})->url, "https://p:443");
}

TEST(ProxyFor, RefusesOtherProxiesWithoutTellingThem) {
  for (const char* text : {"ftp://user:secret@p", "http://", "socks4://p", "p:1"}) {
    const auto got = proxyFor(server("https://a"), text, {});
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.error().text.find("secret"), std::string::npos);
  }
}

TEST(BypassesProxy, KnowsAddressesNamesAndStars) {
  EXPECT_TRUE(bypassesProxy(server("https://a.b"), "*"));
  EXPECT_TRUE(bypassesProxy(server("https://a.b"), " , *.b"));
  EXPECT_TRUE(bypassesProxy(server("https://[fd00::1]"), "fd00::1"));
  EXPECT_TRUE(bypassesProxy(server("https://[fd00::1]:6443"), "[fd00::1]:6443"));
  EXPECT_TRUE(bypassesProxy(server("https://[fd00::1]:6443"), "fd00::/16"));
  EXPECT_FALSE(bypassesProxy(server("https://[fd00::1]:6443"), "[fd00::1]:443"));
  EXPECT_FALSE(bypassesProxy(server("https://a.b"), ""));
  EXPECT_FALSE(bypassesProxy(server("https://a.b"), "10.0.0.0/8,::/0"));
}

}  // namespace
}  // namespace keelson::api::client
