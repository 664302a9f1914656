#include "proxy/health.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace keelson::proxy {
namespace {

using std::chrono::seconds;

const WallTime kNow = parseTime("2026-11-21T16:00:00Z").value();
const std::vector<IpFamily> kFamilies{IpFamily::kV4};

ProxyStats synced() {
  ProxyStats stats;
  stats.updated = kNow - seconds(100);
  return stats;
}

TEST(ProxyHealth, IsGoodWhileChangesAreProgrammedInTime) {
  auto stats = synced();
  EXPECT_EQ(
      healthzAnswer(stats, kFamilies, true, kNow).body,
      R"({"lastUpdated":"2026-11-21T16:00:00.000000000Z","currentTime":"2026-11-21T16:00:00.000000000Z",)"
      R"("nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-11-21T15:58:20.000000000Z",)"
      R"("healthy":true}}})");
  stats.waiting = kNow - seconds(59);
  EXPECT_EQ(healthzAnswer(stats, kFamilies, true, kNow).status, 200);
  stats.waiting = kNow - seconds(60);
  EXPECT_EQ(healthzAnswer(stats, kFamilies, true, kNow).status, 503);
  EXPECT_EQ(livezAnswer(stats, kFamilies, kNow).status, 503);
  EXPECT_EQ(healthzAnswer({}, kFamilies, true, kNow).status, 200);  // it starts up
}

TEST(ProxyHealth, ANodeThatGoesAwayFailsHealthzAndNotLivez) {
  EXPECT_EQ(healthzAnswer(synced(), kFamilies, false, kNow).status, 503);
  const auto live = livezAnswer(synced(), kFamilies, kNow);
  EXPECT_EQ(live.status, 200);
  EXPECT_EQ(live.body.find("nodeEligible"), std::string::npos);
}

TEST(ProxyHealth, AServicesPortTellsItsLocalEndpoints) {
  const auto good = serviceHealthAnswer("default/web", {31000, 2}, true);
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.headers.at("X-Load-Balancing-Endpoint-Weight"), "2");
  EXPECT_EQ(
      good.body,
      R"({"service":{"namespace":"default","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true})");
  EXPECT_EQ(serviceHealthAnswer("default/web", {31000, 0}, true).status, 503);
  EXPECT_EQ(serviceHealthAnswer("default/web", {31000, 2}, false).status, 503);
}

TEST(ProxyHealth, PortsOpenCloseAndMove) {
  const auto change = planHealthPorts({{"a/gone", 1}, {"a/moves", 2}, {"a/stays", 3}},
                                      {{"a/moves", {4, 0}}, {"a/stays", {3, 1}}, {"a/new", {5, 0}}});
  EXPECT_EQ(change.close, (std::vector<std::string>{"a/gone", "a/moves"}));
  EXPECT_EQ(change.open, (std::vector<std::pair<std::string, uint16_t>>{{"a/moves", 4}, {"a/new", 5}}));
}

TEST(ProxyMetrics, HaveKubeProxysNames) {
  auto stats = synced();
  stats.sync_seconds.observe(0.003);
  stats.no_local_external = 2;
  const auto text = renderProxyMetrics(stats, {{{200, 7}}, {}}, ProxyMode::kNftables, kFamilies);
  for (const char* line :
       {"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.002\"} 0\n",
        "kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.004\"} 1\n",
        "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1\n",
        "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"external\"} "
        "2\n",
        "kubeproxy_proxy_healthz_total{code=\"200\"} 7\n",
        "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv4\"} 0\n",
        "# TYPE kubeproxy_network_programming_duration_seconds histogram\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
  EXPECT_EQ(text.find("iptables"), std::string::npos);
}

}  // namespace
}  // namespace keelson::proxy
