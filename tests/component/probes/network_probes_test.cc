#include "probes/network_probes.h"

#include <gtest/gtest.h>

#include "tests/component/probes/servers.h"

namespace keelson::probes {
namespace {

using namespace std::chrono_literals;
using test::GrpcServer;
using test::TextServer;

// A loop that runs until the attempt is done, and a limit for the test.
struct World {
  Loop loop;
  Effects effects{loop, realClock()};
  std::optional<Outcome> outcome;
  AttemptPtr attempt;

  Done done() {
    return [this](Outcome given) {
      outcome = std::move(given);
      attempt.reset();
      loop.stop();
    };
  }
  const Outcome& run() {
    const Registration limit = loop.after(20s, [this] { loop.stop(); });
    loop.run();
    if (!outcome) outcome = Outcome{Verdict::kError, "the probe never ended"};
    return *outcome;
  }
};

HttpTarget targetOf(uint16_t port, const std::string& path = "/") {
  api::HttpGetAction action;
  action.port = port;
  action.path = path;
  return httpTarget(action, {}, "127.0.0.1", "kube-probe").value();
}

std::string response(int status, const std::string& headers = "", const std::string& body = "") {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body);
}

// The outcome of a GET of "/" from a server that answers so.
Outcome get(TextServer::Answer answer, Duration timeout = 10s) {
  World world;
  TextServer server(world.loop, std::move(answer));
  world.attempt = startHttp(world.effects, targetOf(server.port()), timeout, world.done());
  Outcome outcome = world.run();
  // Ports differ from run to run.
  const std::string port = std::to_string(server.port());
  for (size_t at = outcome.text.find(port); at != std::string::npos; at = outcome.text.find(port))
    outcome.text.replace(at, port.size(), "PORT");
  return outcome;
}

TEST(HttpProbe, From200To399IsASuccess) {
  for (const int status : {200, 204, 301, 304, 399})
    EXPECT_EQ(get([&](const auto&) { return response(status); }).verdict, Verdict::kSuccess) << status;
  for (const int status : {400, 404, 500, 503}) {
    const Outcome outcome = get([&](const auto&) { return response(status, "", "secret"); });
    EXPECT_EQ(outcome.verdict, Verdict::kFailure);
    EXPECT_EQ(outcome.text, fmt::format("HTTP probe failed with statuscode: {}", status));
  }
}

TEST(HttpProbe, TheRequestIsAsKubernetesSendsIt) {
  std::string request;
  get([&](const std::string& text) {
    request = text;
    return response(200);
  });
  EXPECT_TRUE(request.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:")) << request;
  EXPECT_NE(request.find("User-Agent: kube-probe/1.36\r\n"), std::string::npos) << request;
  EXPECT_NE(request.find("Accept: */*\r\n"), std::string::npos);
  EXPECT_NE(request.find("Connection: close\r\n"), std::string::npos);
}

TEST(HttpProbe, RedirectsToTheSameHostAreFollowedAndOthersAreAWarning) {
  int requests = 0;
  const auto hop = [&](const std::string& text) {
    ++requests;
    return text.starts_with("GET /ok") ? response(500) : response(302, "Location: /ok\r\n");
  };
  EXPECT_EQ(get(hop).verdict, Verdict::kFailure);  // what it leads to counts
  EXPECT_EQ(requests, 2);
  const Outcome other =
      get([](const auto&) { return response(302, "Location: http://other/\r\n", "moved"); });
  EXPECT_EQ(other.verdict, Verdict::kWarning);
  EXPECT_EQ(other.text, "Probe terminated redirects, Response body: moved");
  const Outcome round = get([](const auto&) { return response(302, "Location: /\r\n"); });
  EXPECT_EQ(round.text, "Get \"http://127.0.0.1:PORT/\": stopped after 10 redirects");
}

TEST(HttpProbe, ABodyWithoutEndIsReadUpToItsLimitOnly) {
  const Outcome outcome =
      get([](const auto&) { return "HTTP/1.1 200 OK\r\n\r\n" + std::string(4 << 20, 'x'); });
  EXPECT_EQ(outcome.verdict, Verdict::kSuccess);
}

TEST(HttpProbe, WhatIsNoHttpFails) {
  for (const char* text : {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"})
    EXPECT_EQ(get([&](const auto&) { return std::string(text); }).verdict, Verdict::kFailure) << text;
  EXPECT_EQ(get([](const auto&) {
              return "HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x') + "\r\n\r\n";
            }).verdict,
            Verdict::kFailure);
}

TEST(HttpProbe, SilenceEndsWithTheTimeout) {
  const Outcome outcome = get([](const auto&) { return std::string(); }, 50ms);
  EXPECT_EQ(outcome.verdict, Verdict::kFailure);
  EXPECT_EQ(outcome.text,
            "Get \"http://127.0.0.1:PORT/\": context deadline exceeded (Client.Timeout exceeded while "
            "awaiting headers)");
}

TEST(HttpProbe, AClosedPortIsNamedInGosWords) {
  World world;
  uint16_t port = 0;
  {
    TextServer closed(world.loop, [](const auto&) { return std::string(); });
    port = closed.port();
  }
  world.attempt = startHttp(world.effects, targetOf(port), 10s, world.done());
  EXPECT_EQ(world.run().text,
            fmt::format("Get \"http://127.0.0.1:{0}/\": dial tcp 127.0.0.1:{0}: connect: connection refused",
                        port));
}

// A loop that was held up while the answer came does not blame the target.
TEST(HttpProbe, AnAnswerThatIsThereCountsAlthoughOurTimerWasLate) {
  World world;
  TextServer server(world.loop, [](const auto&) { return response(200); });
  world.attempt = startHttp(world.effects, targetOf(server.port()), 100ms, world.done());
  world.loop.post([] {
    const auto until = std::chrono::steady_clock::now() + 300ms;
    while (std::chrono::steady_clock::now() < until) {
    }
  });
  EXPECT_EQ(world.run().verdict, Verdict::kSuccess);
}

TEST(TcpProbe, AnOpenPortIsASuccessAndAClosedOneIsNot) {
  World world;
  TextServer server(world.loop, [](const auto&) { return std::string(); });
  world.attempt = startTcp(world.effects, {"127.0.0.1", server.port()}, 10s, world.done());
  EXPECT_EQ(world.run().verdict, Verdict::kSuccess);
  World closed;
  world.attempt.reset();
  closed.attempt = startTcp(closed.effects, {"127.0.0.1", 1}, 10s, closed.done());
  EXPECT_EQ(closed.run().text, "dial tcp 127.0.0.1:1: connect: connection refused");
}

Outcome check(GrpcServer::Script script, Duration timeout = 10s) {
  World world;
  GrpcServer server(world.loop, std::move(script));
  world.attempt = startGrpc(world.effects, {"127.0.0.1", server.port(), "s"}, timeout, world.done());
  return world.run();
}

std::string framed(std::string message) {
  return std::string(4, '\0') + static_cast<char>(message.size()) + message;
}

TEST(GrpcProbe, OnlyServingIsASuccess) {
  EXPECT_EQ(check({framed("\x08\x01")}).verdict, Verdict::kSuccess);
  EXPECT_EQ(check({framed("\x08\x02")}).text, "service unhealthy (responded with \"NOT_SERVING\")");
  EXPECT_EQ(check({framed("")}).text, "service unhealthy (responded with \"UNKNOWN\")");
  EXPECT_EQ(check({"", "12"}).text,
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ");
  EXPECT_EQ(check({"", "5"}).text, "error: health rpc failed: rpc error: code = 5 desc = ");
  EXPECT_EQ(check({"junk", ""}).text, "error: health rpc failed: the answer with HTTP status 200 is no gRPC");
}

TEST(GrpcProbe, AServerThatSpeaksNoHttp2Fails) {
  World world;
  TextServer server(world.loop, [](const auto&) { return response(400); });
  world.attempt = startGrpc(world.effects, {"127.0.0.1", server.port(), ""}, 10s, world.done());
  EXPECT_EQ(world.run().verdict, Verdict::kFailure);
}

TEST(GrpcProbe, SilenceEndsWithTheTimeout) {
  World world;
  TextServer server(world.loop, [](const auto&) { return std::string(); });
  world.attempt = startGrpc(world.effects, {"127.0.0.1", server.port(), ""}, 50ms, world.done());
  EXPECT_EQ(world.run().text, "timeout: health rpc did not complete within 50ms");
}

}  // namespace
}  // namespace keelson::probes
