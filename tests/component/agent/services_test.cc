#include "agent/services.h"

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <thread>

namespace keelson::agent {
namespace {

namespace asio = boost::asio;

IpAddress loopback() { return IpAddress::parse("127.0.0.1").value(); }

struct Servers : testing::Test {
  Loop loop;
  proxy::ProxyStats stats;
  ServiceServers servers{loop, realClock(), settings(), [this] { return stats; }};

  static ServiceServerSettings settings() {
    ServiceServerSettings made;
    made.healthz_address = made.metrics_address = made.health_check_address = loopback();
    made.healthz_port = made.metrics_port = 0;
    return made;
  }
  std::string ask(uint16_t port, const std::string& path) {
    std::string got;
    std::thread client([&] {
      asio::io_context context;
      asio::ip::tcp::socket socket(context);
      boost::system::error_code error;
      socket.connect({asio::ip::address_v4::loopback(), port}, error);
      if (error) {
        got = "refused";
      } else {
        asio::write(socket,
                    asio::buffer("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        asio::read(socket, asio::dynamic_buffer(got), error);
      }
      loop.context().stop();
    });
    loop.context().restart();
    loop.context().run();
    client.join();
    return got;
  }
  // One that was free a moment ago.
  uint16_t freePort() { return kubelet::server::TcpServer::listen(loop, loopback(), 0, {}).value()->port(); }
};

TEST_F(Servers, AnswerHealthMetricsAndMode) {
  ASSERT_TRUE(servers.start().errors().empty());
  EXPECT_TRUE(ask(servers.healthzPort(), "/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_NE(ask(servers.metricsPort(), "/proxyMode").find("\r\n\r\nnftables"), std::string::npos);
  servers.setNodeEligible(false);
  EXPECT_TRUE(ask(servers.healthzPort(), "/healthz").starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(ask(servers.healthzPort(), "/livez").starts_with("HTTP/1.1 200"));
  EXPECT_NE(ask(servers.metricsPort(), "/metrics").find("kubeproxy_proxy_healthz_total{code=\"503\"} 1\n"),
            std::string::npos);
}

TEST_F(Servers, FollowTheHealthPortsOfServices) {
  const uint16_t port = freePort();
  stats.health["default/web"] = {port, 1};
  ASSERT_TRUE(servers.update(stats).errors().empty());
  const auto good = ask(port, "/healthz");
  EXPECT_TRUE(good.starts_with("HTTP/1.1 200")) << good;
  EXPECT_NE(good.find("\"localEndpoints\":1"), std::string::npos) << good;
  stats.health["default/web"].local_endpoints = 0;
  EXPECT_TRUE(ask(port, "/").starts_with("HTTP/1.1 503"));
  stats.health.clear();
  ASSERT_TRUE(servers.update(stats).errors().empty());
  EXPECT_EQ(ask(port, "/healthz"), "refused");
}

TEST_F(Servers, ATakenPortIsToldByNameAndTriedAgain) {
  auto taken = kubelet::server::TcpServer::listen(loop, loopback(), 0, {}).value();
  stats.health["default/web"] = {taken->port(), 1};
  const auto refused = servers.update(stats);
  ASSERT_EQ(refused.errors().size(), 1U);
  EXPECT_TRUE(refused.errors()[0].text.starts_with("service default/web: healthCheckNodePort "));
  taken.reset();
  EXPECT_TRUE(servers.update(stats).errors().empty());
}

}  // namespace
}  // namespace keelson::agent
