#include "proxy/trace.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

std::string trace(const Doors& doors, const std::string& to, uint16_t port, const std::string& from = "") {
  TraceQuestion question{IpAddress::parse(to).value(), port};
  question.cluster_cidrs = {IpPrefix::parse("10.244.0.0/16").value()};
  question.node_addresses = {IpAddress::parse("192.168.77.1").value()};
  if (!from.empty()) question.source = IpAddress::parse(from).value();
  std::string text;
  for (const auto& line : traceService(doors, question)) text += line + "\n";
  return text;
}

TEST(Trace, TellsDoorRuleAndEndpoints) {
  auto made = service("web", "10.96.0.1", {{80, "http", "TCP", 30080}}, "NodePort");
  made->spec.external_traffic_policy = "Local";
  const auto doors =
      resolveDoors({made}, {slice("web", {"+10.244.0.2", "10.244.1.2"}, {{8080, "http"}})}, kNode).doors;
  EXPECT_EQ(trace(doors, "10.96.0.1", 80, "10.244.0.9"),
            "10.96.0.1:80/TCP is service default/web:http\n"
            "from inside: one of 2 endpoints\n"
            "  10.244.0.2 port 8080 (this node)\n"
            "  10.244.1.2 port 8080\n");
  EXPECT_EQ(trace(doors, "192.168.77.1", 30080, "192.0.2.1"),
            "*:30080/TCP is service default/web:http\n"
            "from outside: one of 1 endpoints\n"
            "  10.244.0.2 port 8080 (this node)\n");
  EXPECT_EQ(trace(doors, "10.96.0.1", 81), "rejected: a cluster IP, but no service has this port\n");
  EXPECT_EQ(trace(doors, "10.96.0.2", 80), "no service's: left to routes and other rules\n");
}

}  // namespace
}  // namespace keelson::proxy
