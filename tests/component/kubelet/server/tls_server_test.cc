#include "kubelet/server/tls_server.h"

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <thread>

#include "kubelet/server/node_guard.h"
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/pki.h"
#include "tests/fakes/fake_api_client.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using fakes::KeyPair;
using fakes::Pki;

struct Credentials {
  std::string token;
  std::optional<KeyPair> pair;
};

// Sends one request over TLS and reads until the server's end; "handshake: ..." if there is no connection.
std::string talk(uint16_t port, const Credentials& who, const std::string& line, const std::string& headers) {
  asio::io_context context;
  ssl::context tls(ssl::context::tls_client);
  if (who.pair) {
    tls.use_certificate_chain(asio::buffer(who.pair->certificate_pem));
    tls.use_private_key(asio::buffer(who.pair->key_pem), ssl::context::pem);
  }
  ssl::stream<asio::ip::tcp::socket> stream(context, tls);
  boost::system::error_code error;
  stream.next_layer().connect({asio::ip::address_v4::loopback(), port}, error);
  if (!error) stream.next_layer().set_option(asio::ip::tcp::no_delay(true), error);
  if (!error) stream.handshake(ssl::stream_base::client, error);
  if (error) return "handshake: " + error.message();
  std::string request = line + " HTTP/1.1\r\nHost: n\r\nConnection: close\r\n" + headers;
  if (!who.token.empty()) request += "Authorization: Bearer " + who.token + "\r\n";
  asio::write(stream, asio::buffer(request + "\r\n"), error);
  std::string got;
  while (!error) {
    char piece[4096];
    got.append(piece, stream.read_some(asio::buffer(piece), error));
  }
  return got;
}

struct TlsServerTest : testing::Test {
  TlsServerTest() {
    settings.pki = pki;
    settings.tokens["right-token"] = {"ann", "1", {"viewers"}};
    settings.tokens["poor-token"] = {"bob", "2", {}};
    settings.authorize = [this](const json::object& spec) {
      asked.push_back(json::serialize(spec));
      return spec.at("user") != "bob" &&
             (spec.at("user") != "reader" || spec.at("resourceAttributes").at("verb") == "get");
    };
    fakes_server = std::make_unique<fakes::ApiServer>(clock, settings);
    client = std::make_unique<fakes::FakeApiClient>(loop, *fakes_server);
    guard = std::make_shared<NodeGuard>(clock, NodeGuardSettings{"node1"}, ReviewSettings{});
    guard->setClient(client.get());
    guard->setAuthorities(ClientAuthorities::parse(pki->caPem()).value());
    listen(guard);
  }
  ~TlsServerTest() override { guard->setClient(nullptr); }

  void listen(std::shared_ptr<Guard> with) {
    std::vector<Route> routes;
    for (const char* path : kPaths)
      for (const char* method : {"GET", "POST"})
        routes.push_back(
            {method, path, [](Call, Respond respond) { respond(Reply::ofText("come in")); }, {}});
    server = TlsServer::listen(loop, IpAddress::parse("127.0.0.1").value(), 0, std::move(routes),
                               std::move(with), {})
                 .value();
  }
  void setCertificate(const std::string& name) {
    const auto pair = issue(*pki, name, Pki::Use::kServer);
    server->setContext(makeTlsContext({}, pair.certificate_pem, pair.key_pem, pki->caPem()).value());
  }
  KeyPair issue(const Pki& by, const std::string& name, Pki::Use use) {
    fakes::Subject subject;
    subject.common_name = name;
    subject.organizations = {"viewers"};
    return by.issue(subject, use, clock.wall(), std::chrono::hours(1)).value();
  }
  std::string ask(const std::string& line, const Credentials& who, const std::string& headers = "") {
    std::string got;
    std::thread other([&] {
      got = talk(server->port(), who, line, headers);
      loop.context().stop();
    });
    loop.context().restart();
    loop.context().run();
    other.join();
    return got.substr(0, got.find("\r\n")) + (got.find("come in") != std::string::npos ? " in" : "");
  }

  static constexpr const char* kPaths[] = {"/pods",          "/healthz",         "/configz",
                                           "/stats/summary", "/metrics",         "/metrics/resource",
                                           "/runningpods/",  "/logs/",           "/containerLogs/a/b/c",
                                           "/exec/a/b/c",    "/attach/a/b/c",    "/portForward/a/b",
                                           "/run/a/b/c",     "/checkpoint/a/b/c"};

  FakeClock clock;
  Loop loop;
  std::shared_ptr<const Pki> pki = Pki::create(clock).value();
  fakes::ServerSettings settings;
  std::vector<std::string> asked;
  std::unique_ptr<fakes::ApiServer> fakes_server;
  std::unique_ptr<fakes::FakeApiClient> client;
  std::shared_ptr<NodeGuard> guard;
  std::unique_ptr<TlsServer> server;
};

constexpr char kIn[] = "HTTP/1.1 200 OK in";
constexpr char kWho[] = "HTTP/1.1 401 Unauthorized";
constexpr char kNo[] = "HTTP/1.1 403 Forbidden";

TEST_F(TlsServerTest, LetsInOverEveryPathWhoeverHasTheRightAndNobodyElse) {
  setCertificate("node1");
  const auto stranger = Pki::create(clock).value();
  const Credentials none, bad_token{"nonsense", {}}, poor{"poor-token", {}}, right{"right-token", {}},
      foreign{"", issue(*stranger, "ann", Pki::Use::kClient)},
      for_servers{"", issue(*pki, "ann", Pki::Use::kServer)},
      certificate{"", issue(*pki, "ann", Pki::Use::kClient)};
  for (const char* path : kPaths) {
    for (const std::string method : {"GET ", "POST "}) {
      const std::string line = method + path;
      EXPECT_EQ(ask(line, none), kWho) << line;
      EXPECT_EQ(ask(line, bad_token), kWho) << line;
      EXPECT_EQ(ask(line, foreign), kWho) << line;
      EXPECT_EQ(ask(line, for_servers), kWho) << line;
      EXPECT_EQ(ask(line, poor), kNo) << line;
      EXPECT_EQ(ask(line, right), kIn) << line;
      EXPECT_EQ(ask(line, certificate), kIn) << line;
    }
  }
}

TEST_F(TlsServerTest, TheRightToLookIsNotTheRightToRunCommands) {
  setCertificate("node1");
  const Credentials reader{"", issue(*pki, "reader", Pki::Use::kClient)};
  EXPECT_EQ(ask("GET /containerLogs/a/b/c", reader), kIn);
  EXPECT_EQ(ask("GET /exec/a/b/c?command=sh&output=1", reader), kNo);
  EXPECT_EQ(ask("GET /stats/summary", reader, "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"), kNo);
}

TEST_F(TlsServerTest, TellsTheApiServerWhoAsksForWhat) {
  setCertificate("node1");
  EXPECT_EQ(ask("GET /pods", {"", issue(*pki, "ann", Pki::Use::kClient)}), kIn);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_NE(asked[0].find(R"("groups":["viewers","system:authenticated"])"), std::string::npos) << asked[0];
  EXPECT_NE(asked[0].find(R"("subresource":"pods","name":"node1")"), std::string::npos) << asked[0];
}

TEST_F(TlsServerTest, AsksTheApiServerOnceForAWhile) {
  setCertificate("node1");
  const Credentials right{"right-token", {}};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("GET /metrics", right), kIn);
  EXPECT_EQ(client->count("tokenreviews"), 1u);
  EXPECT_EQ(asked.size(), 1u);
  clock.advance(std::chrono::minutes(3));
  EXPECT_EQ(ask("GET /metrics", right), kIn);
  EXPECT_EQ(client->count("tokenreviews"), 2u);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(TlsServerTest, LetsNobodyInWhileTheApiServerCannotBeAsked) {
  setCertificate("node1");
  guard->setClient(nullptr);
  EXPECT_EQ(ask("GET /pods", {"right-token", {}}), kWho);
  EXPECT_EQ(ask("GET /pods", {"", issue(*pki, "ann", Pki::Use::kClient)}),
            "HTTP/1.1 500 Internal Server Error");
}

TEST_F(TlsServerTest, AnonymousIsAUserOnlyIfThatIsConfiguredAndNothingElseWasShown) {
  server.reset();
  auto open =
      std::make_shared<NodeGuard>(clock, NodeGuardSettings{"node1", true, true, true}, ReviewSettings{});
  open->setClient(client.get());
  listen(open);
  setCertificate("node1");
  EXPECT_EQ(ask("GET /pods", {}), kIn);
  EXPECT_EQ(ask("GET /pods", {"nonsense", {}}), kWho);
  open->setClient(nullptr);
}

TEST_F(TlsServerTest, AnExpiredClientCertificateIsNobodys) {
  setCertificate("node1");
  const Credentials old{"", issue(*pki, "ann", Pki::Use::kClient)};
  EXPECT_EQ(ask("GET /pods", old), kIn);
  clock.advance(std::chrono::hours(2));
  EXPECT_EQ(ask("GET /pods", old), kWho);
}

TEST_F(TlsServerTest, TurnsClientsAwayUntilItHasACertificateAndTakesANewOneAtOnce) {
  EXPECT_TRUE(ask("GET /pods", {}).starts_with("handshake: "));
  setCertificate("node1");
  EXPECT_EQ(ask("GET /pods", {"right-token", {}}), kIn);
  setCertificate("node1-new");
  EXPECT_EQ(ask("GET /pods", {"right-token", {}}), kIn);
}

TEST(TlsSettings, AreCheckedByName) {
  EXPECT_TRUE(checkTlsSettings(
      {"VersionTLS13", {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"}, {"X25519"}}));
  EXPECT_FALSE(checkTlsSettings({"VersionTLS99", {}, {}}));
  EXPECT_FALSE(checkTlsSettings({"", {"TLS_MADE_UP"}, {}}));
  EXPECT_FALSE(checkTlsSettings({"", {}, {"CurveOfMine"}}));
}

}  // namespace
}  // namespace keelson::kubelet::server
