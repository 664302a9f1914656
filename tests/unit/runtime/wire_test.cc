// The tagged encoding: both ways, across releases, and against bytes that lie.
#include "runtime/wire.h"

#include <gtest/gtest.h>

#include "runtime/plan.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime {
namespace {

struct Older {
  std::string name;
  uint32_t number = 1;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, name), codec(2, number);
  }
};

struct Newer {
  std::string name;
  uint32_t number = 1;
  std::vector<std::string> added{"default"};
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, name), codec(2, number), codec(3, added);
  }
};

struct Wide {
  uint64_t number = 5;
  template <class Codec>
  void fields(Codec& codec) {
    codec(2, number);
  }
};

ContainerPlan fullPlan() {
  ContainerPlan plan;
  plan.id = "id";
  plan.attempt = 3;
  plan.process.args = {"a", "", std::string("b\0c", 3)};
  plan.process.groups = {1, 4'000'000'000u};
  plan.process.capabilities = ~0ull;
  plan.process.oom_score_adj = -997;
  plan.process.tty = true;
  plan.process.rlimits = {{7, 1, ~0ull}};
  plan.mounts = {{.target = "/x",
                  .source = MountSource::kPodTmpfs,
                  .tmpfs_name = "t",
                  .is_directory = false,
                  .propagation = Propagation::kSlave}};
  plan.devices = {{.path = "/dev/x", .block = true, .major = 8}};
  return plan;
}

TEST(Wire, GivesBackWhatWasEncoded) {
  const std::string bytes = encodeWire(fullPlan());
  const auto decoded = decodeWire<ContainerPlan>(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.error().text;
  EXPECT_EQ(encodeWire(*decoded), bytes);
  EXPECT_EQ(decoded->process.args, fullPlan().process.args);
  EXPECT_EQ(decoded->process.oom_score_adj, -997);
  EXPECT_EQ(decoded->mounts.at(0).propagation, Propagation::kSlave);
  EXPECT_FALSE(decoded->mounts.at(0).is_directory);
}

TEST(Wire, SkipsFieldsOfALaterRelease) {
  const auto decoded = decodeWire<Older>(encodeWire(Newer{"n", 7, {"x", "y"}}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->name, "n");
  EXPECT_EQ(decoded->number, 7u);
}

TEST(Wire, KeepsDefaultsForFieldsOfAnEarlierRelease) {
  const auto decoded = decodeWire<Newer>(encodeWire(Older{"n", 7}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->added, std::vector<std::string>{"default"});
}

TEST(Wire, RefusesEveryTruncation) {
  const std::string bytes = encodeWire(fullPlan());
  size_t accepted = 0;
  for (size_t length = 0; length < bytes.size(); ++length)
    accepted += decodeWire<ContainerPlan>(std::string_view(bytes).substr(0, length)).ok() ? 1 : 0;
  EXPECT_EQ(accepted, 14u) << "only cuts between the 14 top-level fields are whole messages";
}

TEST(Wire, RefusesAScalarOfAnotherSize) {
  const auto decoded = decodeWire<Older>(encodeWire(Wide{}));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, Code::kDataLoss);
}

TEST(Wire, BoundsTheElementsOfAList) {
  ProcessPlan plan;
  plan.args.resize(kMaxWireElements);
  EXPECT_TRUE(decodeWire<ProcessPlan>(encodeWire(plan)).ok());
  plan.args.resize(kMaxWireElements + 1);
  EXPECT_FALSE(decodeWire<ProcessPlan>(encodeWire(plan)).ok());
}

TEST(WireError, IsTheSameErrorOnTheOtherSide) {
  const Error error{Code::kPermissionDenied, 13, "mount proc: EACCES (Permission denied)"};
  const Error back = fromWireError(decodeWire<WireError>(encodeWire(toWireError(error))).value());
  EXPECT_EQ(back.code, error.code);
  EXPECT_EQ(back.sys, 13);
  EXPECT_EQ(back.text, error.text);
}

TEST(WireError, ACodeOfALaterReleaseIsInternal) {
  EXPECT_EQ(fromWireError({4711, 0, "x"}).code, Code::kInternal);
}

}  // namespace
}  // namespace keelson::runtime
