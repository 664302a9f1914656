#include "kubelet/hook_runner.h"

#include <gtest/gtest.h>

#include <boost/asio.hpp>

#include "api/object.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::kubelet {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::seconds;

// Answers HTTP in clear on a port that the kernel chose, also to those who begin with TLS.
class PlainServer {
 public:
  PlainServer(Loop& loop, unsigned status)
      : status_(status), acceptor_(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    accept();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::vector<std::string> requests;

 private:
  struct Peer {
    explicit Peer(tcp::socket given) : socket(std::move(given)) {}
    tcp::socket socket;
    std::array<char, 4096> buffer;
  };
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      auto peer = std::make_shared<Peer>(std::move(socket));
      peer->socket.async_read_some(asio::buffer(peer->buffer),
                                   [this, peer](boost::system::error_code bad, size_t size) {
                                     if (!bad) answer(peer, size);
                                   });
      accept();
    });
  }
  void answer(const std::shared_ptr<Peer>& peer, size_t size) {
    const bool tls = peer->buffer[0] == 0x16;
    if (!tls) requests.emplace_back(peer->buffer.data(), size);
    auto reply = std::make_shared<std::string>(
        fmt::format("HTTP/1.1 {} As It Is\r\nContent-Length: 0\r\n\r\n", tls ? 400 : status_));
    asio::async_write(peer->socket, asio::buffer(*reply),
                      [peer, reply](boost::system::error_code, size_t) {});
  }

  const unsigned status_;
  tcp::acceptor acceptor_;
};

// A command that never ends by itself.
struct Commands final : probes::ExecProbes {
  struct Held final : probes::Attempt {
    explicit Held(int& running) : running_(running) { ++running_; }
    ~Held() override { --running_; }
    int& running_;
  };
  probes::AttemptPtr start(const PodUid&, const ContainerId&, const std::vector<std::string>&, Duration given,
                           probes::Done done) override {
    timeout = given;
    last = std::move(done);
    return std::make_unique<Held>(running);
  }
  int running = 0;
  Duration timeout{0};
  probes::Done last;
};

struct HookRunnerTest : testing::Test, HookListener {
  Loop loop;
  FakeClock clock;
  Commands commands;
  HookRunner runner{{loop, clock}, commands, *this};
  std::vector<HookResult> results;
  std::vector<std::string> events;

  void onHookEnded(const HookResult& result) override {
    results.push_back(result);
    loop.stop();
  }
  void onHookEvent(const PodUid&, const std::string&, const std::string& reason,
                   const std::string&) override {
    events.push_back(reason);
  }

  HookOrder order(const std::string& handler, std::optional<WallTime> until = std::nullopt) {
    auto manifest = api::decodeManifest(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default, uid: u}\nspec:\n  containers:\n"
        "  - {name: web, image: nginx, lifecycle: {preStop: {" +
        handler + "}}}\n");
    EXPECT_TRUE(manifest) << manifest.error().text;
    auto pod = std::make_shared<const api::Pod>(std::get<api::Pod>(manifest->objects.at(0)));
    return {ContainerId("id"), HookKind::kPreStop, pod, "web", "127.0.0.1", clock.wall(), until};
  }
  HookResult run(const HookOrder& given) {
    runner.setHooks(PodUid("u"), {given});
    EXPECT_TRUE(results.empty()) << "told from inside of setHooks()";
    const auto deadline = loop.after(seconds(10), [this] { loop.stop(); });
    loop.context().restart();
    loop.run();
    EXPECT_EQ(results.size(), 1u);
    return results.empty() ? HookResult{} : results.back();
  }
  static std::string httpGet(uint16_t port, const std::string& more = "") {
    return fmt::format("httpGet: {{path: /bye, port: {}{}}}", port, more);
  }
};

TEST_F(HookRunnerTest, AnyAnswerOfHttpIsASuccess) {
  for (const unsigned status : {200u, 500u}) {
    PlainServer server(loop, status);
    results.clear();
    runner.setHooks(PodUid("u"), {});
    EXPECT_TRUE(run(order(httpGet(server.port()))).success);
    ASSERT_EQ(server.requests.size(), 1u);
    EXPECT_NE(server.requests[0].find("GET /bye HTTP/1.1\r\n"), std::string::npos);
    EXPECT_NE(server.requests[0].find("User-Agent: kube-lifecycle/1.36\r\n"), std::string::npos);
  }
  EXPECT_TRUE(events.empty());
}

TEST_F(HookRunnerTest, HttpsThatIsAnsweredInClearIsAskedInClear) {
  PlainServer server(loop, 200);
  const auto result = run(order(httpGet(
      server.port(),
      ", scheme: HTTPS, httpHeaders: [{name: Authorization, value: secret}, {name: X, value: kept}]")));
  EXPECT_TRUE(result.success) << result.message;
  EXPECT_EQ(events, std::vector<std::string>{"LifecycleHTTPFallback"});
  ASSERT_EQ(server.requests.size(), 1u);
  EXPECT_EQ(server.requests[0].find("secret"), std::string::npos);
  EXPECT_NE(server.requests[0].find("X: kept\r\n"), std::string::npos);
}

TEST_F(HookRunnerTest, NoAnswerIsAFailure) {
  uint16_t port = 0;
  {
    PlainServer gone(loop, 200);
    port = gone.port();
  }
  loop.context().poll();
  const auto result = run(order(httpGet(port)));
  EXPECT_FALSE(result.success);
  EXPECT_NE(result.message.find("HTTP lifecycle hook (/bye) for Container \"web\" in Pod \"web_default(u)\" "
                                "failed - error: Get \"http://127.0.0.1:"),
            std::string::npos)
      << result.message;
  EXPECT_NE(result.message.find("connection refused"), std::string::npos);
}

TEST_F(HookRunnerTest, AnUnknownPortIsAFailure) {
  const auto result = run(order("httpGet: {port: nope}"));
  EXPECT_FALSE(result.success);
  EXPECT_NE(result.message.find("nope"), std::string::npos) << result.message;
}

TEST_F(HookRunnerTest, AHookRunsOnceHoweverOftenItIsOrdered) {
  const HookOrder given = order("exec: {command: [bye]}", clock.wall() + seconds(7));
  runner.setHooks(PodUid("u"), {given});
  EXPECT_EQ(commands.running, 1);
  EXPECT_EQ(commands.timeout, Duration(seconds(7)));
  commands.last({probes::Verdict::kSuccess, ""});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].success);
  EXPECT_EQ(commands.running, 0);
  runner.setHooks(PodUid("u"), {given});
  EXPECT_EQ(commands.running, 0);
  runner.setHooks(PodUid("u"), {});
  runner.setHooks(PodUid("u"), {given});
  EXPECT_EQ(commands.running, 1);
}

TEST_F(HookRunnerTest, WhatIsOrderedNoMoreIsGivenUp) {
  runner.setHooks(PodUid("u"), {order("exec: {command: [bye]}")});
  EXPECT_EQ(commands.timeout, Duration{0}) << "no deadline of its own";
  runner.setHooks(PodUid("other"), {});
  EXPECT_EQ(commands.running, 1);
  runner.setHooks(PodUid("u"), {});
  EXPECT_EQ(commands.running, 0);
  EXPECT_TRUE(results.empty());
}

TEST_F(HookRunnerTest, TheMessageOfACommandHasItsOutputWithALimit) {
  runner.setHooks(PodUid("u"), {order("exec: {command: [bye, now]}")});
  commands.last({probes::Verdict::kFailure, std::string(100'000, 'x'), 3});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_FALSE(results[0].success);
  EXPECT_EQ(results[0].message.rfind("Exec lifecycle hook ([bye now]) for Container \"web\" in Pod "
                                     "\"web_default(u)\" failed - error: command 'bye now' exited with 3: xx",
                                     0),
            0u);
  EXPECT_LT(results[0].message.size(), 5000u);
}

}  // namespace
}  // namespace keelson::kubelet
