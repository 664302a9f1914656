#include "api/client/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/config_map.h"
#include "base/guarded.h"
#include "tests/component/api/client/test_server.h"
#include "tests/component/api/client/world.h"

namespace keelson::api::client {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string object(const std::string& name, int version, const std::string& value,
                   const std::string& uid = "") {
  return fmt::format(
      R"({{"metadata":{{"namespace":"d","name":"{}","uid":"{}","resourceVersion":"{}"}},"data":{{"v":"{}"}}}})",
      name, uid.empty() ? "uid-" + name : uid, version, value);
}

std::string event(const std::string& type, const std::string& object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

std::string list(const std::string& items, int version, const std::string& more = "") {
  return fmt::format(
      R"({{"kind":"ConfigMapList","metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})",
      version, more, items);
}

bool isWatch(const ServedRequest& request) { return request.target.find("watch=true") != std::string::npos; }

// A server that answers lists and watches in the order of a script; after it, lists fail and watches wait.
class InformerWorld : public ::testing::Test {
 protected:
  using Step = std::function<void(Reply&)>;

  static Step page(std::string body) {
    return [body = std::move(body)](Reply& reply) { reply.answer(200, body); };
  }
  // Says `lines`, then waits to be left.
  static Step says(std::string lines) {
    return [lines = std::move(lines)](Reply& reply) {
      reply.beginChunks();
      reply.chunk(lines);
      reply.awaitGone();
    };
  }
  // Says `lines` and is cut.
  static Step cut(std::string lines) {
    return [lines = std::move(lines)](Reply& reply) {
      reply.beginChunks();
      if (!lines.empty()) reply.chunk(lines);
      reply.close();
    };
  }

  void serve(std::vector<Step> lists, std::vector<Step> watches) {
    struct Script {
      std::vector<Step> lists, watches;
      std::vector<std::string> targets;
    };
    auto script = std::make_shared<Guarded<Script>>(Script{std::move(lists), std::move(watches), {}});
    targets = [script] { return script->with([](const Script& all) { return all.targets; }); };
    server = std::make_unique<TestServer>([script](const ServedRequest& request, Reply& reply) {
      const Step step = script->with([&](Script& all) -> Step {
        all.targets.push_back(request.target);
        auto& steps = isWatch(request) ? all.watches : all.lists;
        if (steps.empty()) return nullptr;
        Step first = steps.front();
        steps.erase(steps.begin());
        return first;
      });
      if (step) return step(reply);
      if (isWatch(request)) return reply.awaitGone();
      reply.answer(500, "{}");
    });
    ASSERT_TRUE(world.open(ClientWorld::connectionTo(server->url())).ok());
  }

  // Follows until `enough` says so, with quick back-off.
  void follow(std::function<bool()> enough, FollowSettings settings = {}) {
    settings.backoff = {1ms, 20ms, 1min};
    informer = std::make_unique<Informer<ConfigMap>>(world.loop, *world.lane, *world.client,
                                                     Collection{"/api/v1/configmaps", "a=b", ""}, settings);
    informer->start([this, enough](const std::vector<Change<ConfigMap>>& changes) {
      std::string said;
      for (const auto& change : changes) said += describe(change) + " ";
      told.push_back(said);
      if (enough()) world.loop.stop();
    });
    world.run();
    stats = informer->stats();
    for (const auto& [key, value] : informer->objects()) held += key + "=" + value->data.at("v") + " ";
    informer.reset();
  }
  static std::string describe(const Change<ConfigMap>& change) {
    if (change.was == nullptr) return "+" + change.now->metadata.name + "=" + change.now->data.at("v");
    if (change.now == nullptr) return "-" + change.was->metadata.name;
    return "~" + change.now->metadata.name + "=" + change.now->data.at("v");
  }
  std::function<bool()> batches(size_t count) {
    return [this, count] { return told.size() >= count; };
  }

  ClientWorld world;
  std::unique_ptr<TestServer> server;
  std::function<std::vector<std::string>()> targets;
  std::unique_ptr<Informer<ConfigMap>> informer;
  std::vector<std::string> told;
  std::string held;
  FollowStats stats;
};

TEST_F(InformerWorld, ListsThenFollows) {
  serve({page(list(object("a", 5, "1"), 10))},
        {says(event("ADDED", object("b", 11, "1")) + event("MODIFIED", object("a", 12, "2")) +
              event("DELETED", object("b", 13, "1")))});
  follow([this] { return held.empty() && told.size() >= 2 && told.back().ends_with("-b "); });
  EXPECT_EQ(told.front(), "+a=1 ");
  EXPECT_EQ(held, "d/a=2 ");
  EXPECT_EQ(stats.resource_version, "13");
  EXPECT_TRUE(stats.synced);
  EXPECT_EQ(stats.last_error, "");
  const auto asked = targets();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0], "/api/v1/configmaps?fieldSelector=a%3Db&resourceVersion=0");
  EXPECT_THAT(asked[1], HasSubstr("&watch=true&resourceVersion=10&allowWatchBookmarks=true&timeoutSeconds="));
}

TEST_F(InformerWorld, TellsAnEmptyFirstList) {
  serve({page(list("", 10))}, {});
  follow(batches(1));
  EXPECT_THAT(told, ElementsAre(""));
  EXPECT_TRUE(stats.synced);
}

TEST_F(InformerWorld, ResumesACutWatchFromTheLastVersion) {
  serve({page(list("", 10))}, {cut(event("ADDED", object("a", 11, "1"))),
                               cut(event("BOOKMARK", R"({"metadata":{"resourceVersion":"20"}})")),
                               says(event("MODIFIED", object("a", 21, "2")))});
  follow(batches(3));
  EXPECT_THAT(told, ElementsAre("", "+a=1 ", "~a=2 "));
  const auto asked = targets();
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_THAT(asked[2], HasSubstr("resourceVersion=11&"));
  EXPECT_THAT(asked[3], HasSubstr("resourceVersion=20&"));
  EXPECT_EQ(stats.lists, 1U);
}

TEST_F(InformerWorld, ListsAnewAfter410AndTellsDifferencesOnly) {
  serve({page(list(object("a", 5, "1") + "," + object("b", 6, "1") + "," + object("c", 7, "1"), 10)),
         page(list(object("a", 5, "1"), 30, "more")),
         page(list(object("b", 25, "2") + "," + object("c", 28, "3", "reborn"), 30))},
        {says(event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})"))});
  follow(batches(2));
  EXPECT_THAT(told, ElementsAre("+a=1 +b=1 +c=1 ", "~b=2 -c +c=3 "));
  const auto asked = targets();
  ASSERT_GE(asked.size(), 4U);
  EXPECT_THAT(asked[2], ::testing::EndsWith("?fieldSelector=a%3Db&limit=500"));
  EXPECT_THAT(asked[3], HasSubstr("limit=500&continue=more"));
}

TEST_F(InformerWorld, IgnoresRepeatedAndOlderEvents) {
  serve({page(list(object("a", 10, "1"), 10))},
        {says(event("ADDED", object("a", 10, "1")) + event("MODIFIED", object("a", 12, "new")) +
              event("MODIFIED", object("a", 11, "old")) + event("DELETED", object("a", 9, "0", "former")) +
              event("MODIFIED", object("a", 12, "new")) + event("ADDED", object("end", 13, "1")))});
  follow(batches(2));
  EXPECT_EQ(told.back(), "~a=new +end=1 ");
}

TEST_F(InformerWorld, DoesNotBringBackWhatWasDeleted) {
  serve({page(list(object("a", 10, "1"), 10))},
        {says(event("DELETED", object("a", 12, "1")) + event("MODIFIED", object("a", 11, "late")) +
              event("ADDED", object("end", 13, "1")))});
  follow(batches(2));
  EXPECT_EQ(told.back(), "-a +end=1 ");
}

TEST_F(InformerWorld, KeepsTheLastGoodValueOfWhatItCannotDecode) {
  serve(
      {page(list(object("a", 10, "1"), 10))},
      {says(
          event(
              "MODIFIED",
              R"({"metadata":{"namespace":"d","name":"a","uid":"uid-a","resourceVersion":"11"},"data":7})") +
          event("ADDED", object("end", 13, "1")))});
  follow(batches(2));
  EXPECT_EQ(held, "d/a=1 d/end=1 ");
  EXPECT_THAT(stats.last_error, HasSubstr("d/a: data: expected an object"));
}

TEST_F(InformerWorld, ResumesAWatchThatStalled) {
  serve({page(list("", 10))},
        {says(event("ADDED", object("a", 11, "1"))), says(event("ADDED", object("b", 12, "1")))});
  FollowSettings settings;
  settings.idle = 100ms;
  follow(batches(3), settings);
  EXPECT_THAT(told, ElementsAre("", "+a=1 ", "+b=1 "));
}

TEST_F(InformerWorld, TriesAFirstListUntilItWorks) {
  const Step fails = [](Reply& reply) { reply.answer(500, "{}"); };
  serve({fails, fails, page(list(object("a", 1, "1"), 10))}, {});
  follow(batches(1));
  EXPECT_THAT(told, ElementsAre("+a=1 "));
  EXPECT_EQ(stats.lists, 3U);
}

TEST_F(InformerWorld, ListsWholeWhenAContinueTokenExpired) {
  const Step gone = [](Reply& reply) { reply.answer(410, R"({"kind":"Status","reason":"Expired"})"); };
  serve({page(list(object("a", 1, "1"), 10)), page(list(object("a", 1, "1"), 20, "more")), gone,
         page(list(object("a", 1, "1") + "," + object("b", 21, "1"), 21))},
        {says(event("ERROR", R"({"kind":"Status","code":410,"reason":"Gone"})"))});
  follow(batches(2));
  EXPECT_EQ(told.back(), "+b=1 ");
  EXPECT_THAT(targets()[4], ::testing::EndsWith("?fieldSelector=a%3Db"));
}

TEST_F(InformerWorld, PollsWhenWatchesDoNotGetThrough) {
  std::vector<Step> lists(8, page(list("", 10)));
  lists.push_back(page(list(object("a", 11, "1"), 11)));
  serve(lists, std::vector<Step>(50, cut("")));
  FollowSettings settings;
  settings.poll_interval = 5ms;
  follow(batches(2), settings);
  EXPECT_TRUE(stats.polling);
  EXPECT_THAT(told, ElementsAre("", "+a=1 "));
  EXPECT_THAT(targets().back(), HasSubstr("resourceVersion=10&resourceVersionMatch=NotOlderThan"));
}

TEST_F(InformerWorld, MayBeDestroyedByItsListener) {
  serve({page(list(object("a", 1, "1"), 10))}, {});
  informer = std::make_unique<Informer<ConfigMap>>(
      world.loop, *world.lane, *world.client, Collection{"/api/v1/configmaps", "", ""}, FollowSettings{});
  int calls = 0;
  informer->start([&](const std::vector<Change<ConfigMap>>&) {
    ++calls;
    informer.reset();
    world.loop.post([&] { world.loop.stop(); });
  });
  world.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace keelson::api::client
