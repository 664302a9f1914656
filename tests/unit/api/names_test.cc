#include "api/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base64.h"

namespace keelson::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Case {
  NameErrors (*check)(std::string_view);
  const char* what;
  std::vector<std::string> valid;
  std::vector<std::string> invalid;
};

TEST(Names, FollowKubernetesSyntax) {
  const std::string s63(63, 'a');
  const std::string s64(64, 'a');
  const std::string s253 = s63 + "." + s63 + "." + s63 + "." + std::string(61, 'a');
  const Case cases[] = {
      {checkDnsLabel,
       "label",
       {"a", "0", "a-b", "123-abc", s63},
       {"", "A", "a.b", "-a", "a-", "a_b", s64, "ä"}},
      {checkDns1035Label, "1035", {"a", "a-1"}, {"", "1a", "a-", "a.b", s64}},
      {checkDnsSubdomain,
       "subdomain",
       {"a", "a.b", "1.2.3", s253},
       {"", ".", "a.", ".a", "a..b", "A.b", "a_b", s253 + "a"}},
      {checkDnsSearch, "search", {"a", "_tcp.example.com", "a_b"}, {"", "a_", "A", "a..b", "-a"}},
      {checkQualifiedName,
       "qualified",
       {"a", "A.b_c-1", "example.com/Name", s63, s253 + "/" + s63},
       {"", "/", "/a", "a/", "a/b/c", "-a", "a b", s64, "Ex.com/a", "a@b"}},
      {checkLabelValue, "label value", {"", "a", "A_b.c-1", s63}, {"-a", "a-", "a b", "a/b", s64}},
      {checkEnvVarName, "env", {"A", "my.var-1", "1", "a b", "#"}, {"", "A=B", "\n", "ä"}},
      {checkConfigMapKey,
       "key",
       {"a", "A_b.c-1", ".hidden", s253},
       {"", ".", "..", "..a", "a/b", "a b", s253 + "a"}},
      {checkHttpHeaderName, "header", {"X-Header-Name", "a"}, {"", "X_Y", "a b", "a:"}},
      {checkPortName, "port", {"http", "a1-2", "123456789012345a"}, {}},
      {checkPortName,
       "port",
       {"http", "p-1"},
       {"", "80", "HTTP", "-a", "a-", "a--b", "a_b", "1234567890123456"}},
      {checkIp, "ip", {"10.0.0.1", "::1", "2001:db8::ffff"}, {"", "10.0.0", "10.0.0.256", "a", "1.2.3.4/8"}},
  };
  for (const auto& one : cases) {
    for (const auto& name : one.valid) {
      if (one.what == std::string("port") && name.size() > 15) continue;
      EXPECT_THAT(one.check(name), IsEmpty()) << one.what << " " << name;
    }
    for (const auto& name : one.invalid) EXPECT_FALSE(one.check(name).empty()) << one.what << " " << name;
  }
}

TEST(Names, ErrorsReadAsInKubernetes) {
  EXPECT_THAT(
      checkDnsSubdomain("A_b"),
      ElementsAre(
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
          "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
          "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
  EXPECT_THAT(
      checkDnsLabel("A"),
      ElementsAre("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
                  "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
                  "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
  EXPECT_THAT(checkDnsLabel(std::string(64, 'a')), ElementsAre("must be no more than 63 bytes"));
  EXPECT_THAT(checkPortNumber(0), ElementsAre("must be between 1 and 65535, inclusive"));
  EXPECT_THAT(checkPortName("8080"), ElementsAre("must contain at least one letter (a-z)"));
  EXPECT_THAT(checkQualifiedName("/a"), ElementsAre("prefix part must be non-empty"));
}

TEST(Names, SysctlsMayUseDotsAndSlashes) {
  for (const char* name :
       {"kernel.shm_rmid_forced", "net/ipv4/conf/eth0.100/forwarding", "a", "net.ipv4.ip_forward"}) {
    EXPECT_TRUE(isSysctlName(name)) << name;
  }
  for (const char* name : {"", ".a", "a.", "a..b", "A", "kernel shm", "../a", "a/../b", "a_"}) {
    EXPECT_FALSE(isSysctlName(name)) << name;
  }
}

TEST(Base64, ReadsWhatItWrites) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decodeBase64(encodeBase64(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(encodeBase64("s3cr3t"), "czNjcjN0");
  EXPECT_EQ(encodeBase64("a"), "YQ==");
  EXPECT_EQ(decodeBase64("YW\nI=\r\n"), "ab");
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text : {"Y", "YQ", "YQ=", "YQ===", "=", "====", "YQ==YQ==", "Y Q=", "YQ-_", "YWI=YWI="}) {
    EXPECT_EQ(decodeBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keelson::api
