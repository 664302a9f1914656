#include "kernel/caps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

namespace keelson::kernel {
namespace {

using ::testing::ElementsAre;

TEST(Caps, KnowsNamesInEveryForm) {
  for (const char* name : {"NET_ADMIN", "CAP_NET_ADMIN", "net_admin", "cap_net_admin", "Cap_Net_Admin"}) {
    ASSERT_TRUE(capabilityBits(name).ok()) << name;
    EXPECT_EQ(capabilityBits(name).value(), 1ull << CAP_NET_ADMIN) << name;
  }
}

TEST(Caps, NumbersAreTheKernels) {
  const std::pair<const char*, int> cases[] = {
      {"CHOWN", CAP_CHOWN},     {"KILL", CAP_KILL},
      {"NET_RAW", CAP_NET_RAW}, {"SYS_ADMIN", CAP_SYS_ADMIN},
      {"MKNOD", CAP_MKNOD},     {"SETFCAP", CAP_SETFCAP},
      {"SYSLOG", CAP_SYSLOG},   {"AUDIT_READ", CAP_AUDIT_READ},
      {"BPF", CAP_BPF},         {"CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE}};
  for (const auto& [name, number] : cases) EXPECT_EQ(capabilityBits(name).value(), 1ull << number) << name;
}

TEST(Caps, RefusesUnknownNames) {
  for (const char* name : {"", "CAP_", "NET", "CAP_CAP_CHOWN", "CHOWN "}) {
    ASSERT_FALSE(capabilityBits(name).ok()) << name;
    EXPECT_EQ(capabilityBits(name).error().code, Code::kInvalidArgument);
  }
}

TEST(Caps, NamesAreTheInverse) {
  EXPECT_THAT(capabilityNames(1ull << CAP_CHOWN | 1ull << CAP_BPF), ElementsAre("CAP_CHOWN", "CAP_BPF"));
  for (const std::string& name : capabilityNames((1ull << 41) - 1)) {
    EXPECT_THAT(capabilityNames(capabilityBits(name).value()), ElementsAre(name));
  }
}

TEST(Caps, DefaultSetIsTheFourteenOfDocker) {
  EXPECT_THAT(capabilityNames(kDefaultCapabilities),
              ElementsAre("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                          "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
                          "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"));
}

TEST(Caps, AllIsWhatThisProcessHolds) { EXPECT_EQ(capabilityBits("ALL").value(), allCapabilities()); }

}  // namespace
}  // namespace keelson::kernel
