#include "kubelet/server/tcp_server.h"

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <thread>

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;

// Sends bytes and reads until the server closes or `until` has come.
std::string talk(uint16_t port, const std::string& request, const std::string& until) {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::address_v4::loopback(), port});
  asio::write(socket, asio::buffer(request));
  std::string got;
  boost::system::error_code error;
  while (!error && (until.empty() || got.find(until) == std::string::npos)) {
    char piece[4096];
    got.append(piece, socket.read_some(asio::buffer(piece), error));
  }
  return got;
}

struct TcpServerFixture : testing::Test {
  Loop loop;
  std::unique_ptr<TcpServer> server;

  void listen(const ServerLimits& limits = publicLimits()) {
    std::vector<Route> routes;
    routes.push_back({"GET", "/healthz", [](Call, Respond respond) { respond(Reply::ofText("ok")); }, {}});
    routes.push_back({"GET", "/upgrade", [](Call, Respond respond) { respond(Upgrade{}); }, {}});
    server =
        TcpServer::listen(loop, IpAddress::parse("127.0.0.1").value(), 0, std::move(routes), limits).value();
  }
  std::string exchange(const std::string& request, const std::string& until = "") {
    std::string got;
    std::thread client([&] {
      got = talk(server->port(), request, until);
      loop.context().stop();
    });
    loop.context().restart();
    loop.context().run();
    client.join();
    return got;
  }
};

TEST_F(TcpServerFixture, AnswersOneRequestAfterAnother) {
  listen();
  const std::string got = exchange(
      "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_NE(got.find("\r\n\r\nok"), std::string::npos) << got;
  EXPECT_NE(got.find("HTTP/1.1 404"), std::string::npos) << got;
}

TEST_F(TcpServerFixture, RefusesWhatItCannotServe) {
  listen();
  EXPECT_NE(exchange("POST /healthz HTTP/1.0\r\n\r\n").find(" 405 "), std::string::npos);
  EXPECT_NE(exchange("GET /upgrade HTTP/1.0\r\n\r\n").find(" 500 "), std::string::npos);
  EXPECT_NE(exchange("GET /healthz HTTP/1.1\r\nContent-Length: 99999\r\n\r\n").find(" 400 "),
            std::string::npos);
  const std::string head = exchange("HEAD /healthz HTTP/1.0\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 2"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST_F(TcpServerFixture, ClosesAClientThatSaysNothing) {
  ServerLimits limits = publicLimits();
  limits.header_time = std::chrono::milliseconds(20);
  listen(limits);
  EXPECT_EQ(exchange("GET /hea"), "");
}

TEST_F(TcpServerFixture, TellsThatThePortIsTaken) {
  listen();
  const auto second = TcpServer::listen(loop, IpAddress::parse("127.0.0.1").value(), server->port(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
}

}  // namespace
}  // namespace keelson::kubelet::server
