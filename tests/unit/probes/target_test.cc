#include "probes/target.h"

#include <gtest/gtest.h>

namespace keelson::probes {
namespace {

api::Container containerWithPorts() {
  api::Container container;
  container.name = "c";
  container.ports.resize(2);
  container.ports[0].name = "web";
  container.ports[0].container_port = 8080;
  container.ports[1].container_port = 9090;
  return container;
}

api::HttpGetAction get(api::IntOrString port, std::string path = "/") {
  api::HttpGetAction action;
  action.port = std::move(port);
  action.path = std::move(path);
  return action;
}

std::string headerOf(const HttpTarget& target, const std::string& name) {
  for (const auto& [key, value] : target.headers)
    if (key == name) return value;
  return "absent";
}

TEST(ProbeTarget, PortsAreNumbersNamesOrNumbersAsText) {
  struct Case {
    api::IntOrString port;
    int expected;
    const char* error;
  };
  const Case cases[] = {
      {8080, 8080, ""},
      {std::string("web"), 8080, ""},
      {std::string("81"), 81, ""},
      {std::string("admin"), 0, "couldn't find port: admin"},
      {0, 0, "invalid port number: 0"},
      {70000, 0, "invalid port number: 70000"},
      {std::string("-1"), 0, "invalid port number: -1"},
  };
  for (const auto& c : cases) {
    const auto target = httpTarget(get(c.port), containerWithPorts(), "10.244.0.5", "kube-probe");
    ASSERT_EQ(target.ok(), c.expected != 0) << c.error;
    if (target)
      EXPECT_EQ(target->port, c.expected);
    else
      EXPECT_EQ(target.error().text, c.error);
  }
}

TEST(ProbeTarget, TheHostIsThePodsUnlessTheProbeNamesOne) {
  auto action = get(80);
  EXPECT_EQ(httpTarget(action, {}, "10.244.0.5", "kube-probe")->url(), "http://10.244.0.5:80/");
  EXPECT_EQ(httpTarget(action, {}, "fd00::5", "kube-probe")->url(), "http://[fd00::5]:80/");
  action.host = "example.org";
  action.scheme = "HTTPS";
  EXPECT_EQ(httpTarget(action, {}, "10.244.0.5", "kube-probe")->url(), "https://example.org:80/");
}

TEST(ProbeTarget, HeadersHaveKubernetesDefaultsThatTheSpecMayReplaceOrRemove) {
  auto action = get(80);
  auto target = httpTarget(action, {}, "10.0.0.1", "kube-probe");
  EXPECT_EQ(headerOf(*target, "User-Agent"), "kube-probe/1.36");
  EXPECT_EQ(headerOf(*target, "Accept"), "*/*");
  EXPECT_EQ(target->host_header, "10.0.0.1:80");
  action.http_headers = {
      {"host", "web.example"}, {"accept", ""}, {"User-agent", "mine"}, {"X-A", "1"}, {"X-A", "2"}};
  target = httpTarget(action, {}, "10.0.0.1", "kube-probe");
  EXPECT_EQ(target->host_header, "web.example");
  EXPECT_EQ(headerOf(*target, "Accept"), "absent");
  EXPECT_EQ(headerOf(*target, "User-agent"), "mine");
  EXPECT_EQ(target->headers.size(), 3U);
}

TEST(ProbeTarget, PathsAreRootedAndCannotBreakTheRequestLine) {
  for (const auto& [path, expected] : {std::pair{"", "/"},
                                       {"healthz", "/healthz"},
                                       {"/a?b=c", "/a?b=c"},
                                       {"/a#f", "/a"},
                                       {"/a b\r\nX: y", "/a%20b%0D%0AX:%20y"}})
    EXPECT_EQ(httpTarget(get(80, path), {}, "10.0.0.1", "kube-probe")->path, expected);
}

TEST(ProbeTarget, RedirectsAreToldApartByHost) {
  HttpTarget from = httpTarget(get(8080, "/a/b?x=1"), {}, "10.0.0.1", "kube-probe").value();
  struct Case {
    const char* location;
    bool same;
    const char* url;
  };
  const Case cases[] = {
      {"/login", true, "http://10.0.0.1:8080/login"},
      {"c", true, "http://10.0.0.1:8080/a/c"},
      {"?y=2", true, "http://10.0.0.1:8080/a/b?y=2"},
      {"http://10.0.0.1:9090/x", true, "http://10.0.0.1:9090/x"},
      {"https://10.0.0.1/x", true, "https://10.0.0.1:443/x"},
      {"//10.0.0.1/x", true, "http://10.0.0.1:80/x"},
      {"http://other/x", false, "http://other:80/x"},
      {"http://user@other:81", false, "http://other:81/"},
      {"http://[fd00::1]:81/x", false, "http://[fd00::1]:81/x"},
  };
  for (const auto& c : cases) {
    const auto redirect = followRedirect(from, c.location);
    ASSERT_TRUE(redirect.ok()) << c.location << ": " << redirect.error().text;
    EXPECT_EQ(redirect->same_host, c.same) << c.location;
    EXPECT_EQ(redirect->target.url(), c.url) << c.location;
  }
  for (const char* bad : {"", "ftp://x/", "http://", "http://h:99999/", "http://h:p/", "http://[::1"})
    EXPECT_FALSE(followRedirect(from, bad).ok()) << bad;
}

}  // namespace
}  // namespace keelson::probes
