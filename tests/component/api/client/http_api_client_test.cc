#include "api/client/http_api_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <atomic>
#include <fstream>

#include "tests/component/api/client/test_server.h"
#include "tests/component/api/client/world.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::api::client {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

ApiRequest get(const std::string& path) {
  ApiRequest request;
  request.path = path;
  return request;
}

void writeFile(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh) << text;
  ASSERT_EQ(std::rename(fresh.c_str(), path.c_str()), 0);
}

TEST(HttpApiClient, SendsMethodPathQueryBodyAndHeaders) {
  ServedRequest seen;
  TestServer server([&](const ServedRequest& request, Reply& reply) {
    seen = request;
    reply.answer(201, R"({"kind":"Pod"})");
  });
  ClientWorld world;
  Connection connection = ClientWorld::connectionTo(server.url() + "/prefix/");
  connection.token = "secret";
  ASSERT_TRUE(world.open(connection).ok());
  ApiRequest request = get("/api/v1/namespaces/default/pods/web/status");
  request.method = "PATCH";
  request.query = {{"fieldSelector", "spec.nodeName=a b"}, {"force", "true"}};
  request.body = json::object{{"a", 1}};
  request.content_type = kStrategicMergePatch;
  const auto answer = world.ask(request);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("kind").as_string(), "Pod");
  EXPECT_EQ(seen.method, "PATCH");
  EXPECT_EQ(
      seen.target,
      "/prefix/api/v1/namespaces/default/pods/web/status?fieldSelector=spec.nodeName%3Da%20b&force=true");
  EXPECT_EQ(seen.body, R"({"a":1})");
  EXPECT_EQ(seen.headers["content-type"], kStrategicMergePatch);
  EXPECT_EQ(seen.headers["accept"], "application/json");
  EXPECT_EQ(seen.headers["user-agent"], "keelson/test");
  EXPECT_EQ(seen.headers["authorization"], "Bearer secret");
}

TEST(HttpApiClient, TellsTheServersOwnMessageInItsError) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.answer(
        409, R"({"kind":"Status","reason":"Conflict","code":409,"message":"the object has been modified"})");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api/v1/nodes/n1"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(answer.error().text, "GET /api/v1/nodes/n1: 409 Conflict: the object has been modified");
}

TEST(HttpApiClient, TakesAnEmptyAnswerForNullAndNoJsonForAnError) {
  for (const std::string& body : {std::string(), std::string("<html>")}) {
    TestServer server([&](const ServedRequest&, Reply& reply) { reply.answer(200, body); });
    ClientWorld world;
    ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
    const auto answer = world.ask(get("/healthz"));
    EXPECT_EQ(answer.ok(), body.empty());
    EXPECT_TRUE(answer.ok() || answer.error().code == Code::kInternal);
  }
}

TEST(HttpApiClient, FollowsNoRedirect) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.answer(307, "", "Location: http://127.0.0.1:1/x\r\n");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().text, HasSubstr("307 Temporary Redirect: redirects are not followed"));
}

TEST(HttpApiClient, SaysThatNobodyListens) {
  uint16_t port = 0;
  {
    port = TestServer([](const ServedRequest&, Reply&) {}).port();
  }
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(fmt::format("http://127.0.0.1:{}", port))).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

TEST(HttpApiClient, EndsASlowRequestAtItsTimeout) {
  TestServer server([&](const ServedRequest&, Reply& reply) { reply.awaitGone(); });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  ApiRequest request = get("/slow");
  request.timeout = 100ms;
  const auto answer = world.ask(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(answer.error().text, "GET /slow: no answer within 100ms");
}

TEST(HttpApiClient, CallsAnAnswerThatWasCutUnavailable) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"kind\":");
    reply.close();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

TEST(HttpApiClient, RefusesAnAnswerBeyondTheLimit) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.beginChunks();
    const std::string piece(size_t{1} << 20, ' ');
    for (int i = 0; i < 70; ++i) reply.chunk(piece);
    reply.endChunks();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kResourceExhausted);
  EXPECT_THAT(answer.error().text, HasSubstr("larger than 67108864 bytes"));
}

TEST(HttpApiClient, ParsesALargeAnswerOffTheLoop) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.answer(200, "[\"" + std::string(size_t{2} << 20, 'x') + "\"]");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at(0).as_string().size(), size_t{2} << 20);
}

TEST(HttpApiClient, WaitsOutRetryAfterWhenItFitsIntoTheTime) {
  std::atomic<int> asked{0};
  TestServer server([&](const ServedRequest&, Reply& reply) {
    if (++asked == 1) return reply.answer(429, "{}", "Retry-After: 1\r\n");
    reply.answer(200, "{}");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  EXPECT_TRUE(world.ask(get("/api")).ok());
  EXPECT_EQ(asked, 2);
}

TEST(HttpApiClient, TellsRetryAfterWhenItDoesNotFit) {
  std::atomic<int> asked{0};
  TestServer server([&](const ServedRequest&, Reply& reply) {
    ++asked;
    reply.answer(503, "", "Retry-After: 30\r\n");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  const auto answer = world.ask(get("/api"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().text, HasSubstr("retry after 30s"));
  EXPECT_EQ(asked, 1);
}

TEST(HttpApiClient, LetsHeartbeatsPassAQueueThatIsLimited) {
  TestServer server([&](const ServedRequest&, Reply& reply) { reply.answer(200, "{}"); });
  ClientWorld world;
  ClientSettings settings;
  settings.connection.server = server.url();
  settings.queries_per_second = 0.001;
  settings.burst = 1;
  ASSERT_TRUE(world.open(settings).ok());
  std::vector<std::string> answered;
  std::vector<Call> calls;
  const auto send = [&](const std::string& path, ApiRequest::Class request_class) {
    ApiRequest request = get(path);
    request.request_class = request_class;
    calls.push_back(world.client->send(request, [&answered, &world, path](Result<json::value>) {
      answered.push_back(path);
      if (answered.size() == 3) world.loop.stop();
    }));
  };
  send("/first", ApiRequest::Class::kNormal);
  send("/limited", ApiRequest::Class::kNormal);
  send("/lease1", ApiRequest::Class::kHeartbeat);
  send("/lease2", ApiRequest::Class::kHeartbeat);
  world.run();
  EXPECT_THAT(answered, ::testing::UnorderedElementsAre("/first", "/lease1", "/lease2"));
}

TEST(HttpApiClient, RefusesMoreThanItsQueueHolds) {
  ClientWorld world;
  ClientSettings settings;
  settings.connection.server = "http://127.0.0.1:1";
  settings.max_queued = 1;
  ASSERT_TRUE(world.open(settings).ok());
  std::optional<Error> refusal;
  const Call first = world.client->send(get("/1"), [](Result<json::value>) {});
  const Call second = world.client->send(get("/2"), [&](Result<json::value> answer) {
    refusal = answer.error();
    world.loop.stop();
  });
  EXPECT_FALSE(refusal);  // not from inside send
  world.run();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, Code::kResourceExhausted);
}

TEST(HttpApiClient, KeepsOneConnectionForRequestsAndOneForHeartbeats) {
  TestServer server([&](const ServedRequest&, Reply& reply) { reply.answer(200, "{}"); });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  Call call;
  int answers = 0;
  std::function<void()> next = [&] {
    ApiRequest request = get("/api");
    if (answers % 2 == 1) request.request_class = ApiRequest::Class::kHeartbeat;
    call = world.client->send(request, [&](Result<json::value>) {
      if (++answers == 6) return world.loop.stop();
      next();
    });
  };
  next();
  world.run();
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpApiClient, DialsAnewAfterHeartbeatsWithoutAnswer) {
  TestServer server([&](const ServedRequest& request, Reply& reply) {
    // The first connection answers once and is dead afterwards.
    if (request.connection == 1 && request.target != "/1") return reply.awaitGone();
    reply.answer(200, "{}");
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  Call call;
  std::vector<bool> answers;
  std::function<void()> next = [&] {
    ApiRequest request = get(fmt::format("/{}", answers.size() + 1));
    request.request_class = ApiRequest::Class::kHeartbeat;
    request.timeout = 100ms;
    call = world.client->send(request, [&](Result<json::value> answer) {
      answers.push_back(answer.ok());
      if (answers.size() == 4) return world.loop.stop();
      next();
    });
  };
  next();
  world.run();
  EXPECT_TRUE(answers.front());
  EXPECT_TRUE(answers.back());
}

TEST(HttpApiClient, NeverCallsBackAfterACallEnded) {
  TestServer server([&](const ServedRequest&, Reply& reply) { reply.answer(200, "{}"); });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  bool called = false;
  Call ended = world.client->send(get("/1"), [&](Result<json::value>) { called = true; });
  ended.reset();
  const Call other = world.client->send(get("/2"), [&](Result<json::value>) { world.loop.stop(); });
  world.run();
  EXPECT_FALSE(called);
}

TEST(HttpApiClient, MayBeDestroyedFromACallbackWithCallsAlive) {
  TestServer server([&](const ServedRequest& request, Reply& reply) {
    if (request.target == "/first") return reply.answer(200, "{}");
    reply.awaitGone();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  bool called = false;
  const Call waits = world.client->send(get("/second"), [&](Result<json::value>) { called = true; });
  Call first;
  first = world.client->send(get("/first"), [&](Result<json::value>) {
    world.client.reset();
    first.reset();
    world.loop.post([&] { world.loop.stop(); });
  });
  world.run();
  EXPECT_FALSE(called);
}

TEST(HttpApiClientStream, GivesWholeLinesAsTheyComeAndARegularEnd) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.beginChunks();
    reply.chunk("{\"a\":1}\n{\"a\"");
    reply.chunk(":2}\n");
    reply.endChunks();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  std::string lines;
  std::optional<Result<void>> end;
  const Call call = world.client->stream(get("/watch"), 10s,
                                         {[&](std::string_view text) {
                                            EXPECT_EQ(text.back(), '\n');
                                            lines += text;
                                          },
                                          [&](Result<void> result) {
                                            end = result;
                                            world.loop.stop();
                                          }});
  world.run();
  EXPECT_EQ(lines, "{\"a\":1}\n{\"a\":2}\n");
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->ok());
}

TEST(HttpApiClientStream, EndsWhenNothingCameForItsIdleTime) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.beginChunks();
    reply.chunk("{}\n");
    reply.awaitGone();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  std::optional<Result<void>> end;
  const Call call = world.client->stream(get("/watch"), 150ms,
                                         {[](std::string_view) {},
                                          [&](Result<void> result) {
                                            end = result;
                                            world.loop.stop();
                                          }});
  world.run();
  ASSERT_TRUE(end && !end->ok());
  EXPECT_EQ(end->error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(end->error().text, HasSubstr("nothing came for 150ms"));
}

TEST(HttpApiClientStream, TellsACutAndARefusal) {
  for (const bool refused : {false, true}) {
    TestServer server([&](const ServedRequest&, Reply& reply) {
      if (refused) {
        return reply.answer(410, R"({"kind":"Status","reason":"Expired","code":410,"message":"too old"})");
      }
      reply.beginChunks();
      reply.chunk("{}\n{");
      reply.close();
    });
    ClientWorld world;
    ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
    std::optional<Result<void>> end;
    const Call call = world.client->stream(get("/watch"), 10s,
                                           {[](std::string_view) {},
                                            [&](Result<void> result) {
                                              end = result;
                                              world.loop.stop();
                                            }});
    world.run();
    ASSERT_TRUE(end && !end->ok());
    EXPECT_EQ(end->error().code, refused ? Code::kDataLoss : Code::kUnavailable) << end->error().text;
  }
}

TEST(HttpApiClientStream, MayBeEndedFromItsOwnCallback) {
  TestServer server([&](const ServedRequest&, Reply& reply) {
    reply.beginChunks();
    reply.chunk("{}\n");
    reply.awaitGone();
  });
  ClientWorld world;
  ASSERT_TRUE(world.open(ClientWorld::connectionTo(server.url())).ok());
  Call call;
  bool ended = false;
  call = world.client->stream(get("/watch"), 10s,
                              {[&](std::string_view) {
                                 call.reset();
                                 world.loop.post([&] { world.loop.stop(); });
                               },
                               [&](Result<void>) { ended = true; }});
  world.run();
  EXPECT_FALSE(ended);
}

class HttpApiClientTls : public ::testing::Test {
 protected:
  Connection trusting(const TestServer& server) const {
    Connection connection;
    connection.server = server.url();
    connection.ca_data = ca.pem();
    return connection;
  }
  static void echoName(const ServedRequest& request, Reply& reply) {
    const auto found = request.headers.find("authorization");
    reply.answer(200, json::serialize(json::object{
                          {"client", request.client_name},
                          {"host", request.headers.at("host")},
                          {"authorization", found == request.headers.end() ? "" : found->second}}));
  }
  static Result<json::value> ask(Connection connection) {
    ClientWorld world;
    auto opened = world.open(std::move(connection));
    if (!opened) return std::move(opened).error();
    return world.ask(get("/api"));
  }

  TestCa ca{"the cluster"}, other{"somebody else"};
  TempDir dir;
};

TEST_F(HttpApiClientTls, TrustsTheClustersCa) {
  TestServer server(&echoName, {ca.issue("server", "IP:127.0.0.1"), ""});
  const auto answer = ask(trusting(server));
  ASSERT_TRUE(answer.ok()) << answer.error().text;
}

TEST_F(HttpApiClientTls, RefusesAServerOfAnotherCa) {
  TestServer server(&echoName, {other.issue("server", "IP:127.0.0.1"), ""});
  const auto answer = ask(trusting(server));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().text, HasSubstr("certificate"));
}

TEST_F(HttpApiClientTls, RefusesAServerOfAnotherName) {
  TestServer server(&echoName, {ca.issue("server", "DNS:kube.test"), ""});
  const auto answer = ask(trusting(server));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

TEST_F(HttpApiClientTls, ProvesTheServersNameByTlsServerName) {
  TestServer server(&echoName, {ca.issue("server", "DNS:kube.test"), ""});
  Connection connection = trusting(server);
  connection.tls_server_name = "kube.test";
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("host").as_string(), fmt::format("127.0.0.1:{}", server.port()));
}

TEST_F(HttpApiClientTls, ResolvesANameOffTheLoop) {
  TestServer server(&echoName, {ca.issue("server", "DNS:localhost"), ""});
  Connection connection = trusting(server);
  connection.server = fmt::format("https://localhost:{}", server.port());
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
}

TEST_F(HttpApiClientTls, SkipsVerifyingOnlyWhenTold) {
  TestServer server(&echoName, {other.issue("server", ""), ""});
  Connection connection;
  connection.server = server.url();
  EXPECT_FALSE(ask(connection).ok());
  connection.insecure_skip_tls_verify = true;
  EXPECT_TRUE(ask(connection).ok());
}

TEST_F(HttpApiClientTls, ShowsItsClientCertificate) {
  TestServer server(&echoName, {ca.issue("server", "IP:127.0.0.1"), ca.pem()});
  Connection connection = trusting(server);
  const CertificateAndKey own = ca.issue("system:node:n1", "");
  writeFile(dir / "client.pem", own.certificate + own.key);  // one file, as kubelet keeps it
  connection.certificate_file = connection.key_file = dir / "client.pem";
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("client").as_string(), "system:node:n1");
}

TEST_F(HttpApiClientTls, ASlowAnswerHoldsUpNoOther) {
  TestServer server(
      [](const ServedRequest& request, Reply& reply) {
        if (request.target == "/slow") return reply.awaitGone();
        reply.answer(200, "{}");
      },
      {ca.issue("server", "IP:127.0.0.1"), ""});
  ClientWorld world;
  ASSERT_TRUE(world.open(trusting(server)).ok());
  const Call slow = world.client->send(get("/slow"), [](Result<json::value>) { FAIL(); });
  const auto answer = world.ask(get("/fast"));
  EXPECT_TRUE(answer.ok()) << answer.error().text;
}

TEST_F(HttpApiClientTls, RefusesWhatCannotWorkAtOnce) {
  Connection connection;
  connection.server = "https://127.0.0.1:1";
  connection.ca_file = dir / "absent.crt";
  const auto absent = ask(connection);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, Code::kInvalidArgument);
  EXPECT_THAT(absent.error().text, HasSubstr("certificate authority"));
  connection.ca_file.clear();
  connection.ca_data = "no certificate";
  EXPECT_FALSE(ask(connection).ok());
  connection.ca_data = ca.pem();
  connection.certificate_data = ca.issue("a", "").certificate;
  connection.key_data = ca.issue("b", "").key;
  const auto mismatch = ask(connection);
  ASSERT_FALSE(mismatch.ok());
  EXPECT_THAT(mismatch.error().text, HasSubstr("does not match"));
}

TEST_F(HttpApiClientTls, ReadsTheTokenAnewWhenItIsRefused) {
  std::atomic<int> refused{0};
  TestServer server([&](const ServedRequest& request, Reply& reply) {
    if (request.headers.at("authorization") == "Bearer new") return reply.answer(200, "{}");
    ++refused;
    writeFile(dir / "token", "new\n");
    reply.answer(401, R"({"kind":"Status","message":"Unauthorized"})");
  });
  writeFile(dir / "token", "old\n");
  Connection connection;
  connection.server = server.url();
  connection.token_file = dir / "token";
  const auto answer = ask(connection);
  EXPECT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(refused, 1);
}

TEST_F(HttpApiClientTls, TellsARefusalWhenTheTokenIsStillTheSame) {
  std::atomic<int> refused{0};
  TestServer server([&](const ServedRequest&, Reply& reply) {
    ++refused;
    reply.answer(401, R"({"kind":"Status","message":"Unauthorized"})");
  });
  writeFile(dir / "token", "old");
  Connection connection;
  connection.server = server.url();
  connection.token_file = dir / "token";
  const auto answer = ask(connection);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kPermissionDenied);
  EXPECT_EQ(refused, 1);
}

TEST_F(HttpApiClientTls, AsksAPluginForItsToken) {
  TestServer server([&](const ServedRequest& request, Reply& reply) { echoName(request, reply); });
  writeFile(dir / "plugin", R"(#!/bin/sh
case "$KUBERNETES_EXEC_INFO" in *client.authentication.k8s.io/v1*) ;; *) exit 3 ;; esac
echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$1-$EXTRA\"}}"
)");
  ASSERT_EQ(::chmod((dir / "plugin").c_str(), 0755), 0);
  Connection connection;
  connection.server = server.url();
  connection.exec =
      ExecPlugin{dir / "plugin", "client.authentication.k8s.io/v1", {"given"}, {{"EXTRA", "more"}}};
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("authorization").as_string(), "Bearer given-more");
}

TEST_F(HttpApiClientTls, TellsWhyAPluginFailed) {
  Connection connection;
  connection.server = "http://127.0.0.1:1";
  connection.exec =
      ExecPlugin{"/bin/sh", "client.authentication.k8s.io/v1", {"-c", "echo no luck >&2; exit 4"}};
  const auto answer = ask(connection);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().text, "GET /api: credential plugin: /bin/sh: exit status 4: no luck");
}

TEST_F(HttpApiClientTls, DialsWithANewCertificateAfterRotation) {
  TestServer server(
      [&](const ServedRequest& request, Reply& reply) {
        if (request.client_name == "first") {
          const CertificateAndKey second = ca.issue("second", "");
          writeFile(dir / "client.pem", second.certificate + second.key);
          // The old certificate is refused, as an expired one would be.
          return reply.answer(401, "{}");
        }
        echoName(request, reply);
      },
      {ca.issue("server", "IP:127.0.0.1"), ca.pem()});
  const CertificateAndKey first = ca.issue("first", "");
  writeFile(dir / "client.pem", first.certificate + first.key);
  Connection connection = trusting(server);
  connection.certificate_file = connection.key_file = dir / "client.pem";
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("client").as_string(), "second");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpApiClientTls, GoesThroughTheProxyOfTheKubeconfig) {
  TestServer proxy([&](const ServedRequest& request, Reply& reply) {
    reply.answer(200, json::serialize(json::object{{"method", request.method}, {"target", request.target}}));
  });
  Connection connection;
  connection.server = "http://kube.invalid:8080";
  connection.proxy_url = proxy.url();
  const auto answer = ask(connection);
  ASSERT_TRUE(answer.ok()) << answer.error().text;
  EXPECT_EQ(answer->at("target").as_string(), "http://kube.invalid:8080/api");
}

}  // namespace
}  // namespace keelson::api::client
