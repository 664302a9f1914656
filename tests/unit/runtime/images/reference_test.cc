#include "runtime/images/reference.h"

#include <gtest/gtest.h>

#include "runtime/images/digest.h"

namespace keelson::runtime::images {
namespace {

const std::string kHex(64, 'a');

TEST(Reference, IsNormalisedAsKubernetesDoes) {
  const struct {
    std::string text, full;
  } cases[] = {
      {"nginx", "docker.io/library/nginx:latest"},
      {"nginx:stable-alpine", "docker.io/library/nginx:stable-alpine"},
      {"user/app", "docker.io/user/app:latest"},
      {"docker.io/nginx", "docker.io/library/nginx:latest"},
      {"index.docker.io/nginx:1", "docker.io/library/nginx:1"},
      {"docker.io/user/app:1", "docker.io/user/app:1"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app:v2", "localhost:5000/app:v2"},
      {"registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"},
      {"127.0.0.1:5000/a/b/c:x_Y.z-1", "127.0.0.1:5000/a/b/c:x_Y.z-1"},
      {"[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app:latest"},
      {"[::1]/app", "[::1]/app:latest"},
      {"Registry/app", "Registry/app:latest"},
      {"a__b/c-_d", ""},
      {"a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest"},
      {"nginx@sha256:" + kHex, "docker.io/library/nginx@sha256:" + kHex},
      {"nginx:1.27@sha256:" + kHex, "docker.io/library/nginx@sha256:" + kHex},
      {"deadbeef", "docker.io/library/deadbeef:latest"},
  };
  for (const auto& one : cases) {
    const auto reference = parseReference(one.text);
    EXPECT_EQ(reference.ok() ? reference->str() : "", one.full) << one.text;
  }
}

TEST(Reference, RefusesWhatTheGrammarDoesNotHave) {
  const std::string cases[] = {
      "",
      "Nginx",
      "nginx:",
      "nginx:-a",
      "nginx:" + std::string(129, 'a'),
      "nginx@",
      "nginx@sha256:",
      "nginx@md5:" + kHex,
      "a//b",
      "/a",
      "a/",
      "-a",
      "a-",
      "a..b",
      "a___b",
      "http://a",
      "a b",
      "a\nb",
      kHex,
      "reg.io:/a",
      "reg.io:x/a",
      "[::g]/a",
      "[]/a",
      "reg..io/a",
      "a/B",
      "x.io/" + std::string(260, 'a'),
      "nginx@sha256:" + std::string(64, 'A'),
      std::string("a\0b", 3),
  };
  for (const auto& text : cases) {
    const auto reference = parseReference(text);
    ASSERT_FALSE(reference.ok()) << text << " is " << reference->str();
    EXPECT_EQ(reference.error().code, Code::kInvalidArgument) << text;
    EXPECT_TRUE(reference.error().text.starts_with("couldn't parse image reference \""))
        << reference.error().text;
  }
}

TEST(Reference, SaysWhyUpperCaseAndSha512AreRefused) {
  EXPECT_NE(parseReference("library/NGINX").error().text.find("must be lowercase"), std::string::npos);
  EXPECT_NE(parseReference("nginx@sha512:" + kHex + kHex).error().text.find("only sha256"),
            std::string::npos);
}

TEST(Reference, ReadsItsOwnFullForm) {
  for (const auto& text : std::vector<std::string>{"nginx", "a/b:1", "[::1]:5000/x@sha256:" + kHex}) {
    const auto first = parseReference(text);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(parseReference(first->str())->str(), first->str());
  }
}

TEST(Digest, ChainIdsFollowTheImageSpecification) {
  const std::string first = "sha256:" + kHex;
  EXPECT_EQ(chainId("", first), first);
  EXPECT_EQ(chainId(first, first), digestOf(first + " " + first));
}

TEST(Digest, OnlyLowerCaseSha256IsOne) {
  EXPECT_TRUE(isDigest("sha256:" + kHex));
  EXPECT_FALSE(isDigest("sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(isDigest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(isDigest("sha256:../" + std::string(61, 'a')));
  EXPECT_EQ(parseDigest("sha512:" + kHex).error().code, Code::kUnsupported);
  EXPECT_EQ(parseDigest("x").error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace keelson::runtime::images
