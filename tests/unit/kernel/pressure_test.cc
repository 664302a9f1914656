#include "kernel/pressure.h"

#include <gtest/gtest.h>

#include "kernel/statfs.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kernel {
namespace {

TEST(Pressure, ReadsBothLines) {
  const auto pressure = parsePressure(
      "some avg10=1.50 avg60=0.25 avg300=100.00 total=2445\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
      "total=1752\n");
  ASSERT_TRUE(pressure.ok()) << pressure.error().text;
  EXPECT_EQ(pressure->some, (PressureLine{1.5, 0.25, 100, 2445}));
  ASSERT_TRUE(pressure->full.has_value());
  EXPECT_EQ(pressure->full->total_us, 1752u);
}

TEST(Pressure, CpuOfOlderKernelsHasNoFullLine) {
  const auto pressure = parsePressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
  ASSERT_TRUE(pressure.ok());
  EXPECT_FALSE(pressure->full.has_value());
}

TEST(Pressure, RefusesWhatIsNotOfThatForm) {
  for (const char* text :
       {"", "hello\n", "some avg10=x avg60=0 avg300=0 total=1\n", "some avg10=0 avg60=0 total=1\n",
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n", "some avg10=0 avg60=0 avg300=0 total=-1\n",
        "some avg10=0.5% avg60=0 avg300=0 total=1\n", "some \n"}) {
    const auto pressure = parsePressure(text);
    ASSERT_FALSE(pressure.ok()) << text;
    EXPECT_EQ(pressure.error().code, Code::kDataLoss);
  }
}

TEST(Pressure, AnAbsentFileIsAKernelWithoutIt) {
  const TempDir dir;
  EXPECT_EQ(readPressure(dir / "memory").error().code, Code::kUnsupported);
  const auto trigger = openPressureTrigger(dir / "memory", Stall::kSome, std::chrono::milliseconds(100),
                                           std::chrono::seconds(1));
  EXPECT_EQ(trigger.error().code, Code::kUnsupported);
}

TEST(FsCapacity, TellsFileSystemsApart) {
  const TempDir dir;
  const auto here = readFsCapacity(dir.path());
  const auto proc = readFsCapacity("/proc");
  ASSERT_TRUE(here.ok()) << here.error().text;
  ASSERT_TRUE(proc.ok()) << proc.error().text;
  EXPECT_NE(here->device, proc->device);
  EXPECT_GT(here->capacity.value, 0);
  EXPECT_GE(here->capacity.value, here->available.value);
  EXPECT_EQ(readFsCapacity(dir / "none").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace keelson::kernel
