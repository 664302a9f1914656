// FakeApiClient and the real client over HttpFront say the same of the same conversation.
#include <gtest/gtest.h>

#include <deque>
#include <variant>

#include "api/client/http_api_client.h"
#include "api/client/informer.h"
#include "api/config_map.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/http_front.h"
#include "tests/fakes/fake_api_client.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::fakes {
namespace {

using namespace std::chrono_literals;
using api::client::ApiRequest;

constexpr char kMaps[] = "/api/v1/namespaces/default/configmaps";

enum class Kind { kFake, kHttp };

// A server with a client of one kind. The keys are those of all worlds, so that even the CA is the same text.
struct World {
  explicit World(Kind kind) : server(clock, settings()) {
    server.settings().tokens["admin"] = User{};
    if (kind == Kind::kFake) {
      client = std::make_unique<FakeApiClient>(loop, server);
      return;
    }
    front = HttpFront::open(loop, realClock(), server, {}).value();
    api::client::ClientSettings client_settings;
    client_settings.connection.server = fmt::format("https://127.0.0.1:{}", front->port());
    client_settings.connection.ca_data = server.pki().caPem();
    client_settings.connection.token = "admin";
    client = api::client::makeHttpApiClient(loop, lane, client_settings).value();
  }
  ~World() {
    client.reset();
    lane.join();
  }

  static ServerSettings settings() {
    static const auto pki = Pki::create(realClock()).value();
    ServerSettings made;
    made.pki = pki;
    return made;
  }
  void run() {
    const auto guard = loop.after(20s, [this] {
      ADD_FAILURE() << "the test hangs";
      loop.stop();
    });
    loop.run();
  }

  FakeClock clock;
  Loop loop;
  Lane lane{"test", 2};
  ApiServer server;
  std::unique_ptr<HttpFront> front;
  std::unique_ptr<api::client::ApiClient> client;
};

// What the client says to each request, in turn.
std::vector<std::string> conversation(Kind kind, std::deque<ApiRequest> script) {
  World world(kind);
  std::vector<std::string> said;
  api::client::Call call;
  std::function<void()> next = [&] {
    if (script.empty()) return world.loop.stop();
    auto request = std::move(script.front());
    script.pop_front();
    call = world.client->send(std::move(request), [&](Result<json::value> result) {
      said.push_back(result ? json::serialize(*result)
                            : std::string(codeName(result.error().code)) + " " + result.error().text);
      world.loop.post(next);
    });
  };
  world.loop.post(next);
  world.run();
  return said;
}

json::object mapNamed(const char* name) {
  return {
      {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}, {"data", {{"k", "v"}}}};
}

TEST(ClientParity, AConversationReadsTheSame) {
  const json::object pod{
      {"metadata", {{"name", "web"}}},
      {"spec",
       {{"nodeName", "n1"}, {"containers", json::array{json::object{{"name", "c"}, {"image", "i"}}}}}}};
  const std::string pods = "/api/v1/namespaces/default/pods";
  const std::deque<ApiRequest> script = {
      {.path = kMaps},
      {.method = "POST", .path = kMaps, .body = mapNamed("a")},
      {.method = "POST", .path = kMaps, .body = mapNamed("a")},
      {.path = std::string(kMaps) + "/none"},
      {.path = "/api/v1/zebras"},
      {.path = kMaps, .query = {{"fieldSelector", "data.k=v"}}},
      {.path = kMaps, .query = {{"labelSelector", "a in (b, c),!d"}, {"limit", "1"}}},
      {.method = "PATCH",
       .path = std::string(kMaps) + "/a",
       .body = json::object{{"metadata", {{"resourceVersion", "1"}}}},
       .content_type = api::client::kMergePatch},
      {.method = "PATCH",
       .path = std::string(kMaps) + "/a",
       .body = json::object{{"data", {{"ä", "ö"}}}},
       .content_type = api::client::kStrategicMergePatch},
      {.method = "POST", .path = pods, .body = pod},
      {.method = "PATCH",
       .path = pods + "/web/status",
       .body = json::object{{"status", {{"phase", "Running"}}}},
       .content_type = api::client::kStrategicMergePatch},
      {.method = "PATCH",
       .path = pods + "/web",
       .body = json::object{{"spec", {{"hostNetwork", true}}}},
       .content_type = api::client::kStrategicMergePatch},
      {.method = "DELETE",
       .path = pods + "/web",
       .body = json::object{{"gracePeriodSeconds", 0}, {"preconditions", {{"uid", "other"}}}}},
      {.method = "DELETE", .path = pods + "/web", .body = json::object{{"gracePeriodSeconds", 0}}},
      {.path = kMaps, .query = {{"resourceVersion", "999999"}}},
  };
  const auto fake = conversation(Kind::kFake, script), real = conversation(Kind::kHttp, script);
  ASSERT_EQ(fake.size(), script.size());
  for (size_t i = 0; i < fake.size(); ++i)
    EXPECT_EQ(fake[i], real[i]) << script[i].method << " " << script[i].path;
}

class BothClients : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(All, BothClients, ::testing::Values(Kind::kFake, Kind::kHttp));

TEST_P(BothClients, AWatchOfWhatIsForgottenTellsAnErrorAndEndsWell) {
  World world(GetParam());
  std::string lines;
  bool ended_well = false;
  world.server.store().compact();
  const auto call =
      world.client->stream({.path = kMaps, .query = {{"watch", "1"}, {"resourceVersion", "1"}}}, 1min,
                           {[&](std::string_view text) { lines += text; },
                            [&](Result<void> end) {
                              ended_well = end.ok();
                              world.loop.stop();
                            }});
  world.run();
  EXPECT_TRUE(ended_well);
  EXPECT_NE(lines.find("\"code\":410"), std::string::npos) << lines;
}

// An informer over either client follows through lost history, and ends where the server is.
TEST_P(BothClients, AnInformerFollowsThroughCutsAndLostHistory) {
  World world(GetParam());
  api::client::FollowSettings settings;
  settings.backoff = {5ms, 20ms, 1min};
  api::client::Informer<api::ConfigMap> informer(world.loop, world.lane, *world.client, {.path = kMaps},
                                                 settings);
  const auto cut = [&] {
    if (auto* fake = dynamic_cast<FakeApiClient*>(world.client.get())) fake->cutStreams();
    if (world.front) world.front->cutConnections();
  };
  int step = 0;
  informer.start([&](const std::vector<api::client::Change<api::ConfigMap>>&) {
    const auto& objects = informer.objects();
    if (step == 0 && objects.count("default/kube-root-ca.crt")) {
      step = 1;
      world.loop.post([&] { world.server.create(kMaps, mapNamed("one")); });
    } else if (step == 1 && objects.count("default/one")) {
      step = 2;
      world.loop.post([&] {
        cut();
        world.server.store().compact();
        world.server.remove(std::string(kMaps) + "/one");
        world.server.create(kMaps, mapNamed("two"));
      });
    } else if (step == 2 && objects.count("default/two") && !objects.count("default/one")) {
      world.loop.stop();
    }
  });
  world.run();
  EXPECT_EQ(informer.objects().size(), 2u);
  EXPECT_GE(informer.stats().lists, 2u);
  informer.stop();
}

TEST(HttpFront, RefusesWhoIsNobody) {
  World world(Kind::kHttp);
  api::client::ClientSettings settings;
  settings.connection.server = fmt::format("https://127.0.0.1:{}", world.front->port());
  settings.connection.ca_data = world.server.pki().caPem();
  settings.connection.token = "wrong";
  const auto stranger = api::client::makeHttpApiClient(world.loop, world.lane, settings).value();
  Code code{};
  const auto call = stranger->send({.path = "/api/v1/nodes"}, [&](Result<json::value> result) {
    code = result.error().code;
    world.loop.stop();
  });
  world.run();
  EXPECT_EQ(code, Code::kPermissionDenied);
}

TEST(HttpFront, AClientCertificateIsItsUser) {
  World world(Kind::kHttp);
  const auto& pki = world.server.pki();
  const auto pair =
      pki.issue({"system:node:n1", {"system:nodes"}, {}, {}}, Pki::Use::kClient, realClock().wall(), 1h)
          .value();
  api::client::ClientSettings settings;
  settings.connection.server = fmt::format("https://127.0.0.1:{}", world.front->port());
  settings.connection.ca_data = pki.caPem();
  settings.connection.certificate_data = pair.certificate_pem;
  settings.connection.key_data = pair.key_pem;
  const auto node = api::client::makeHttpApiClient(world.loop, world.lane, settings).value();
  std::string user;
  const auto call =
      node->send({.method = "POST",
                  .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                  .body = json::object{{"kind", "SelfSubjectAccessReview"}, {"spec", json::object()}}},
                 [&](Result<json::value> result) {
                   user = result ? textAt(result->as_object(), "kind") : result.error().text;
                   world.loop.stop();
                 });
  world.run();
  EXPECT_EQ(user, "SelfSubjectAccessReview");
}

}  // namespace
}  // namespace keelson::fakes
