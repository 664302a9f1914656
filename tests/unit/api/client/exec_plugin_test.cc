#include "api/client/exec_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace keelson::api::client {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr char kVersion[] = "client.authentication.k8s.io/v1";

TEST(BuildExecCommand, TellsThePluginWhoAsks) {
  Connection connection;
  connection.server = "https://a";
  connection.exec = ExecPlugin{"get", kVersion, {"x"}, {{"A", "b"}}, true};
  const Command command = buildExecCommand(connection, "CA");
  EXPECT_EQ(command.program, "get");
  EXPECT_EQ(command.environment.front().first, "A");
  EXPECT_EQ(command.environment.back().first, "KUBERNETES_EXEC_INFO");
  const json::value info = json::parse(command.environment.back().second);
  EXPECT_EQ(info.at("apiVersion").as_string(), kVersion);
  EXPECT_FALSE(info.at("spec").at("interactive").as_bool());
  EXPECT_EQ(info.at("spec").at("cluster").at("certificate-authority-data").as_string(), "Q0E=");
  connection.exec->provide_cluster_info = false;
  EXPECT_THAT(buildExecCommand(connection, "CA").environment.back().second,
              ::testing::Not(HasSubstr("cluster")));
}

TEST(ParseExecCredential, ReadsTokensAndCertificates) {
  const auto token = parseExecCredential(
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
          "status":{"token":"t","expirationTimestamp":"2026-01-01T00:00:00Z"}})",
      kVersion);
  ASSERT_TRUE(token.ok()) << token.error().text;
  EXPECT_EQ(token->token, "t");
  EXPECT_EQ(formatTime(*token->expires), "2026-01-01T00:00:00Z");
  const auto certificate = parseExecCredential(
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
          "status":{"clientCertificateData":"C","clientKeyData":"K"}})",
      kVersion);
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(certificate->key, "K");
}

TEST(ParseExecCredential, RefusesOtherAnswers) {
  for (const char* text :
       {"", "x", "[]", "{}",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"})",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"})",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}})",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":1}})",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
            "status":{"clientKeyData":"K"}})",
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
            "status":{"token":"t","expirationTimestamp":"soon"}})"}) {
    EXPECT_FALSE(parseExecCredential(text, kVersion).ok()) << text;
  }
}

TEST(RunCommand, GivesTheOutput) {
  const auto got = runCommand({"sh", {"-c", "echo $A; cat"}, {{"A", "b"}}}, Stop(10s));
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(*got, "b\n");
}

TEST(RunCommand, TellsHowItFailed) {
  EXPECT_EQ(runCommand({"sh", {"-c", "echo why >&2; exit 3"}}, Stop(10s)).error().text,
            "sh: exit status 3: why");
  EXPECT_EQ(runCommand({"/nonexistent/x"}, Stop(10s)).error().code, Code::kNotFound);
  EXPECT_EQ(runCommand({"sh", {"-c", "exec sleep 60"}}, Stop(50ms)).error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(runCommand({"yes", {}, {}, 1000}, Stop(10s)).error().code, Code::kResourceExhausted);
}

TEST(RunCommand, WaitsForNoGrandchildThatHoldsItsOutput) {
  const auto got = runCommand({"sh", {"-c", "sleep 60 & echo done"}}, Stop(10s));
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(*got, "done\n");
}

}  // namespace
}  // namespace keelson::api::client
