#include "kubelet/cluster/service_account_tokens.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/fakes/fake_api_client.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kExpires{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}};

TEST(TokenRefreshAt, IsAtFourFifthsOfItsLifeOrAfterADay) {
  EXPECT_EQ(tokenRefreshAt(kExpires, hours(1), seconds(0)), kExpires - minutes(12));
  EXPECT_EQ(tokenRefreshAt(kExpires, hours(1), seconds(10)), kExpires - minutes(12) - seconds(10));
  EXPECT_EQ(tokenRefreshAt(kExpires, hours(24 * 365), seconds(0)), kExpires - hours(24 * 364));
  EXPECT_EQ(tokenRefreshAt(kExpires, hours(30), seconds(0)), kExpires - hours(6));
}

TEST(TokenRequestOfAKey, IsBoundToItsPod) {
  const auto request = tokenRequest({"shop", "robot", "web", PodUid("u"), "vault", 600});
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/api/v1/namespaces/shop/serviceaccounts/robot/token");
  EXPECT_EQ(json::serialize(request.body.at("spec")),
            R"({"audiences":["vault"],"expirationSeconds":600,"boundObjectRef":)"
            R"({"kind":"Pod","apiVersion":"v1","name":"web","uid":"u"}})");
  const auto plain = tokenRequest({"shop", "robot", "web", PodUid("u"), "", 3607});
  EXPECT_FALSE(plain.body.at("spec").as_object().contains("audiences"));
}

struct TokensTest : testing::Test {
  FakeClock clock;
  Loop loop;
  fakes::ApiServer server{clock};
  fakes::FakeApiClient client{loop, server};
  std::vector<PodUid> woken;
  std::shared_ptr<ServiceAccountTokens> tokens =
      ServiceAccountTokens::make(loop, client, clock, [this](const PodUid& one) { woken.push_back(one); });
  PodUid uid;

  TokensTest() {
    server.load(json::parse(R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot"}})")
                    .as_object());
    server.load(json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":
        {"serviceAccountName":"robot","containers":[{"name":"a","image":"b"}]}})")
                    .as_object());
    const auto pod = server.get("/api/v1/namespaces/default/pods/web");
    uid = PodUid(std::string(pod.body.at("metadata").at("uid").as_string()));
  }
  ~TokensTest() override { tokens->stop(); }
  TokenKey key() const { return {"default", "robot", "web", uid, "", 3607}; }
  size_t asked() const { return client.count("POST /api/v1/namespaces/default/serviceaccounts/robot/token"); }
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

TEST_F(TokensTest, OneRequestServesAllWhoAsk) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(tokens->get(key()).error().code, Code::kUnavailable);
  turnUntil([&] { return !woken.empty(); });
  const auto token = tokens->get(key());
  ASSERT_TRUE(token) << token.error().text;
  EXPECT_FALSE((*token)->bytes.empty());
  EXPECT_EQ(asked(), 1u);
  EXPECT_EQ(woken, std::vector<PodUid>{uid});
}

TEST_F(TokensTest, AnOverdueTokenIsRenewedAndTheOldOneServesMeanwhile) {
  (void)tokens->get(key());
  turnUntil([&] { return woken.size() == 1; });
  const auto before = tokens->get(key());
  clock.advance(minutes(55));
  EXPECT_EQ(*tokens->get(key()), *before);
  turnUntil([&] { return woken.size() == 2; });
  EXPECT_NE(*tokens->get(key()), *before);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(TokensTest, AFailedRenewalKeepsTheTokenUntilItExpires) {
  (void)tokens->get(key());
  turnUntil([&] { return woken.size() == 1; });
  client.disconnect();
  clock.advance(minutes(55));
  EXPECT_TRUE(tokens->get(key()));
  turnUntil([&] { return woken.size() == 2; });
  EXPECT_TRUE(tokens->get(key()));
  clock.advance(hours(1));
  const auto expired = tokens->get(key());
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().text.rfind("failed to fetch token: ", 0), 0u) << expired.error().text;
  EXPECT_NE(expired.error().code, Code::kUnavailable);
}

TEST_F(TokensTest, AFailureIsToldAndTriedAgain) {
  client.failNext("/token", 403);
  (void)tokens->get(key());
  turnUntil([&] { return woken.size() == 1; });
  EXPECT_EQ(tokens->get(key()).error().code, Code::kFailedPrecondition);
  turnUntil([&] { return woken.size() == 2; });  // a second later
  EXPECT_TRUE(tokens->get(key()));
}

TEST_F(TokensTest, TokensOfPodsThatAreGoneAreForgotten) {
  (void)tokens->get(key());
  turnUntil([&] { return woken.size() == 1; });
  tokens->retain({uid});
  EXPECT_TRUE(tokens->get(key()));
  tokens->retain({});
  EXPECT_EQ(tokens->get(key()).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace keelson::kubelet::cluster
