#include "api/client/resolver.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace keelson::api::client {
namespace {

TEST(RenderResolve, IsInLibcurlsForm) {
  EXPECT_EQ(renderResolve("kube", 6443, {"10.0.0.1", "fd00::1"}), "kube:6443:10.0.0.1,[fd00::1]");
}

TEST(Resolver, LeavesLiteralAddressesAlone) {
  FakeClock clock;
  Resolver resolver(clock);
  EXPECT_EQ(*resolver.resolve("10.0.0.1"), std::vector<std::string>{"10.0.0.1"});
  EXPECT_EQ(*resolver.resolve("::1"), std::vector<std::string>{"::1"});
}

TEST(Resolver, SaysWhichNameHasNoAddress) {
  FakeClock clock;
  Resolver resolver(clock);
  const auto got = resolver.resolve("name.invalid");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kUnavailable);
  EXPECT_EQ(got.error().text.find("resolve name.invalid: "), 0U);
}

}  // namespace
}  // namespace keelson::api::client
