#include "tests/fakes/fake_api_client.h"

#include <gtest/gtest.h>

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::fakes {
namespace {

using api::client::ApiRequest;
using api::client::Call;

constexpr char kMaps[] = "/api/v1/namespaces/default/configmaps";
json::object mapNamed(const char* name) { return {{"metadata", {{"name", name}}}, {"data", {{"k", "v"}}}}; }
ApiRequest watchOf(const char* path) {
  return {.path = path, .query = {{"watch", "1"}, {"allowWatchBookmarks", "true"}}};
}

struct FakeApiClientTest : ::testing::Test {
  FakeClock clock;
  Loop loop;
  ApiServer server{clock};
  FakeApiClient client{loop, server};
  std::vector<Call> calls;

  // Runs the loop until `steps` posted turns have passed after `begin`.
  void run(std::function<void()> begin, std::function<void()> later = nullptr) {
    loop.post(std::move(begin));
    auto turns = std::make_shared<int>(0);
    auto turn = std::make_shared<std::function<void()>>();
    *turn = [this, turns, turn, later] {
      if (++*turns == 20 && later) later();
      if (*turns == 40) {
        loop.post([this, turn] {
          *turn = nullptr;
          loop.stop();
        });
        return;
      }
      loop.post([turn] { (*turn)(); });
    };
    loop.post([turn] { (*turn)(); });
    loop.run();
  }
};

TEST_F(FakeApiClientTest, AnswersOnTheLoopNeverInsideSend) {
  bool inside = false, done = false;
  run([&] {
    inside = true;
    calls.push_back(
        client.send({.path = std::string(kMaps) + "/kube-root-ca.crt"}, [&](Result<json::value> result) {
          EXPECT_FALSE(inside);
          ASSERT_TRUE(result.ok()) << result.error().text;
          EXPECT_EQ(textAt(result->as_object(), "metadata.name"), "kube-root-ca.crt");
          done = true;
        }));
    inside = false;
  });
  EXPECT_TRUE(done);
}

TEST_F(FakeApiClientTest, ErrorsCarryTheContractsCodes) {
  std::vector<Code> codes;
  const auto expect = [&](ApiRequest request) {
    calls.push_back(client.send(std::move(request), [&](Result<json::value> result) {
      ASSERT_FALSE(result.ok());
      codes.push_back(result.error().code);
    }));
  };
  server.create(kMaps, mapNamed("m"));
  client.failNext("GET /api/v1/nodes", 500);
  run([&] {
    expect({.path = std::string(kMaps) + "/none"});
    expect({.method = "POST", .path = kMaps, .body = mapNamed("m")});
    expect({.method = "PATCH",
            .path = std::string(kMaps) + "/m",
            .body = json::object{{"metadata", {{"resourceVersion", "1"}}}},
            .content_type = api::client::kMergePatch});
    expect({.path = "/api/v1/nodes"});
  });
  EXPECT_EQ(codes, (std::vector{Code::kNotFound, Code::kAlreadyExists, Code::kFailedPrecondition,
                                Code::kUnavailable}));
}

TEST_F(FakeApiClientTest, ADroppedCallStaysSilent) {
  run([&] {
    Call call = client.send({.path = kMaps}, [&](Result<json::value>) { ADD_FAILURE() << "cancelled"; });
    call.reset();
  });
}

TEST_F(FakeApiClientTest, StreamsTellChangesBookmarksAndTheirEnd) {
  std::string lines;
  std::vector<Code> ends;
  run(
      [&] {
        calls.push_back(client.stream(
            watchOf(kMaps), std::chrono::minutes(1),
            {[&](std::string_view text) { lines += text; },
             [&](Result<void> end) { ends.push_back(end.ok() ? Code::kInternal : end.error().code); }}));
        loop.post([&] { server.create(kMaps, mapNamed("later")); });
      },
      [&] {
        client.sendBookmarks();
        client.cutStreams();
      });
  EXPECT_NE(lines.find("kube-root-ca.crt"), std::string::npos);
  EXPECT_NE(lines.find("\"later\""), std::string::npos);
  EXPECT_NE(lines.find("BOOKMARK"), std::string::npos);
  EXPECT_EQ(ends, std::vector{Code::kUnavailable});
  EXPECT_EQ(client.openStreams(), 0u);
}

TEST_F(FakeApiClientTest, WhatIsHeldIsAnsweredAfterRelease) {
  bool done = false;
  client.hold();
  run([&] { calls.push_back(client.send({.path = kMaps}, [&](Result<json::value>) { done = true; })); },
      [&] {
        EXPECT_FALSE(done);
        client.release();
      });
  EXPECT_TRUE(done);
  EXPECT_EQ(client.count("GET /api/v1/namespaces/default/configmaps"), 1u);
}

TEST_F(FakeApiClientTest, ALostAnswerWasStillCarriedOut) {
  client.loseAnswer("POST");
  Code code{};
  run([&] {
    calls.push_back(client.send({.method = "POST", .path = kMaps, .body = mapNamed("m")},
                                [&](Result<json::value> result) { code = result.error().code; }));
  });
  EXPECT_EQ(code, Code::kUnavailable);
  EXPECT_EQ(server.get(std::string(kMaps) + "/m").code, 200);
}

}  // namespace
}  // namespace keelson::fakes
