#include "kernel/pidfd.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace keelson::kernel {
namespace {

TEST(ParseStartTicks, SkipsCommandsThatLookLikeFields) {
  const char* const tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21\n";
  for (const char* command : {"(sleep)", "(a b)", "(a) S 1)", "(())", "()"}) {
    auto ticks = parseStartTicks(std::string("77 ") + command + tail);
    ASSERT_TRUE(ticks.ok()) << command << ": " << ticks.error().text;
    EXPECT_EQ(ticks.value(), 4242u) << command;
  }
}

TEST(ParseStartTicks, RefusesOtherTexts) {
  for (const char* text : {"", "77 sleep S 1", "77 (sleep) S 1 2 3",
                           "77 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4x 20"}) {
    ASSERT_FALSE(parseStartTicks(text).ok()) << text;
    EXPECT_EQ(parseStartTicks(text).error().code, Code::kDataLoss);
  }
}

// A child that waits for a signal; killed and reaped at the end of the test.
class WaitingChild {
 public:
  WaitingChild() : pid_(fork()) {
    if (pid_ == 0) {
      while (true) pause();
    }
  }
  ~WaitingChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(Pidfd, OpensByIdentityOnlyTheSameProcess) {
  const WaitingChild child;
  auto identity = identify(child.pid());
  ASSERT_TRUE(identity.ok()) << identity.error().text;
  EXPECT_TRUE(Pidfd::open(identity.value()).ok());
  ProcessIdentity other = identity.value();
  ++other.start_ticks;
  auto opened = Pidfd::open(other);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kNotFound);
}

TEST(Pidfd, WaitsForTheEndAndSignalsTheEndedWithoutError) {
  const WaitingChild child;
  auto pidfd = Pidfd::open(child.pid());
  ASSERT_TRUE(pidfd.ok()) << pidfd.error().text;
  EXPECT_FALSE(pidfd->hasEnded());
  EXPECT_EQ(pidfd->waitEnd(Duration{0}).error().code, Code::kDeadlineExceeded);
  ASSERT_TRUE(pidfd->signal(SIGKILL).ok());
  auto ended = pidfd->waitEnd(std::chrono::seconds(30));
  ASSERT_TRUE(ended.ok()) << ended.error().text;
  EXPECT_TRUE(pidfd->hasEnded());
  waitpid(child.pid(), nullptr, 0);
  EXPECT_TRUE(pidfd->signal(SIGTERM).ok());
}

TEST(Pidfd, SaysNotFoundForNobody) {
  EXPECT_EQ(Pidfd::open(0x3ffffff).error().code, Code::kNotFound);
  EXPECT_EQ(identify(0x3ffffff).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace keelson::kernel
