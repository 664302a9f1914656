#include "kubelet/cluster/object_cache.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "api/object.h"
#include "tests/fakes/fake_api_client.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::seconds;

struct ObjectCacheTest : testing::Test {
  FakeClock clock;
  Loop loop;
  Lane lane{"decode", 1};
  fakes::ApiServer server{clock};
  fakes::FakeApiClient client{loop, server};
  ObjectStorePtr store;
  std::set<PodUid> concerned;
  std::unique_ptr<ObjectCache> cache;

  ObjectCacheTest() { make({}); }
  ~ObjectCacheTest() override {
    cache.reset();
    lane.join();
  }
  void make(ObjectCache::Settings settings) {
    cache = std::make_unique<ObjectCache>(
        loop, lane, client,
        [this](ObjectStorePtr now, const std::vector<PodUid>& pods) {
          store = std::move(now);
          concerned.insert(pods.begin(), pods.end());
        },
        std::move(settings));
  }
  static api::PodPtr podOf(const std::string& uid, const std::string& config_map) {
    const auto manifest = api::decodeManifest(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: " + uid + ", namespace: default, uid: " + uid +
        "}\nspec:\n  containers: [{name: a, image: b}]\n  volumes: [{name: v, configMap: {name: " +
        config_map + "}}]\n");
    return std::make_shared<const api::Pod>(std::get<api::Pod>(manifest->objects.at(0)));
  }
  void put(const std::string& name, const std::string& value, const std::string& more = "") {
    server.remove("/api/v1/namespaces/default/configmaps/" + name);
    const auto stored =
        server.load(json::parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                                R"("},"data":{"k":")" + value + "\"}" + more + "}")
                        .as_object());
    EXPECT_LT(stored.code, 300);
  }
  Known<api::ConfigMap> known(const std::string& name) const {
    if (!store) return {};
    return PodObjects(store, "default", true).configMap(name);
  }
  std::string value(const std::string& name) const {
    const auto found = known(name);
    return found.object ? found.object->data.at("k") : "";
  }
  void turnUntil(const std::function<bool()>& so) {
    const auto poll = loop.every(std::chrono::milliseconds(1), [&] {
      if (so()) loop.stop();
    });
    const auto deadline = loop.after(seconds(10), [&] { loop.stop(); });
    loop.context().restart();
    loop.run();
    EXPECT_TRUE(so());
  }
};

TEST_F(ObjectCacheTest, FollowsWhatPodsNameAndNothingElse) {
  put("game", "3");
  put("other", "4");
  EXPECT_EQ(known("game").knowledge, Knowledge::kUnknown);
  cache->setPods({podOf("one", "game"), podOf("two", "none")});
  turnUntil([&] { return value("game") == "3" && known("none").knowledge == Knowledge::kAbsent; });
  turnUntil([&] { return store->cluster->services != nullptr; });
  EXPECT_EQ(concerned, (std::set<PodUid>{PodUid("one"), PodUid("two")}));
  EXPECT_EQ(known("other").knowledge, Knowledge::kUnknown);
  for (const auto& request : client.requests()) {
    if (request.path.find("configmaps") == std::string::npos) continue;
    const auto selector = std::find_if(request.query.begin(), request.query.end(),
                                       [](const auto& entry) { return entry.first == "fieldSelector"; });
    ASSERT_NE(selector, request.query.end()) << request.path;
    EXPECT_EQ(selector->second.rfind("metadata.name=", 0), 0u);
  }
  EXPECT_EQ(cache->stats().config_maps, 2u);
}

TEST_F(ObjectCacheTest, AChangeConcernsThePodsThatNameTheObject) {
  put("game", "3");
  cache->setPods({podOf("one", "game"), podOf("two", "none")});
  turnUntil([&] {
    return value("game") == "3" && known("none").knowledge == Knowledge::kAbsent && store->cluster->services;
  });
  concerned.clear();
  put("none", "5");
  turnUntil([&] { return value("none") == "5"; });
  EXPECT_EQ(concerned, std::set<PodUid>{PodUid("two")});
  server.remove("/api/v1/namespaces/default/configmaps/game");
  turnUntil([&] { return known("game").knowledge == Knowledge::kAbsent; });
}

TEST_F(ObjectCacheTest, TheLastPodTakesItsObjectsAlong) {
  put("game", "3");
  cache->setPods({podOf("one", "game"), podOf("two", "game")});
  turnUntil([&] { return value("game") == "3"; });
  cache->setPods({podOf("two", "game")});
  EXPECT_EQ(cache->stats().config_maps, 1u);
  cache->setPods({});
  EXPECT_EQ(cache->stats().config_maps, 0u);
  turnUntil([&] { return known("game").knowledge == Knowledge::kUnknown; });
}

TEST_F(ObjectCacheTest, WithADeadApiServerWhatWasKnownStaysKnown) {
  put("game", "3");
  cache->setPods({podOf("one", "game")});
  turnUntil([&] { return value("game") == "3"; });
  client.disconnect();
  cache->setPods({podOf("one", "game"), podOf("two", "late")});
  put("late", "6");
  EXPECT_EQ(value("game"), "3");
  client.connect();
  turnUntil([&] { return value("late") == "6"; });
  EXPECT_EQ(value("game"), "3");
}

TEST_F(ObjectCacheTest, AnImmutableObjectIsNotFollowedAnyMore) {
  put("game", "3", R"(,"immutable":true)");
  cache->setPods({podOf("one", "game")});
  turnUntil([&] { return value("game") == "3" && store->cluster->services; });
  turnUntil([&] { return client.openStreams() <= 1; });  // that of services
  EXPECT_EQ(value("game"), "3");
}

TEST_F(ObjectCacheTest, HasALimit) {
  ObjectCache::Settings settings;
  settings.max_objects = 1;
  make(settings);
  put("game", "3");
  put("other", "4");
  cache->setPods({podOf("one", "game"), podOf("two", "other")});
  turnUntil([&] { return value("game") == "3"; });
  EXPECT_EQ(cache->stats().refused, 1u);
  EXPECT_EQ(known("other").knowledge, Knowledge::kUnknown);
}

}  // namespace
}  // namespace keelson::kubelet::cluster
