#include "kubelet/node/shutdown_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/component/kubelet/node/node_world.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// logind as the manager sees it. Owned by the test; the manager gets handles on it.
struct LogindState {
  Duration delay = seconds(5);
  bool obeys = true;  // takes an override over
  int overrides = 0, locks = 0;
  int lock_peer = -1;  // reads end of file once the lock was released
  std::function<void(bool)> on_change;
  std::function<void(Error)> on_lost;
  bool isLocked() const {
    char byte = 0;
    return lock_peer >= 0 && ::read(lock_peer, &byte, 1) != 0;
  }
};

class FakeLogind final : public Logind {
 public:
  FakeLogind(Loop& loop, LogindState& state) : loop_(loop), state_(state) {}
  void currentInhibitDelay(std::function<void(Result<Duration>)> done) override {
    later([this, done] { done(state_.delay); });
  }
  void overrideInhibitDelay(Duration delay, std::function<void(Result<void>)> done) override {
    later([this, delay, done] {
      ++state_.overrides;
      if (state_.obeys) state_.delay = delay;
      done({});
    });
  }
  void acquireLock(std::function<void(Result<UniqueFd>)> done) override {
    later([this, done] {
      int ends[2];
      ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
      if (state_.lock_peer >= 0) ::close(state_.lock_peer);
      state_.lock_peer = ends[0];
      ++state_.locks;
      done(UniqueFd(ends[1]));
    });
  }
  void watch(std::function<void(bool)> on_change, std::function<void(Error)> on_lost) override {
    state_.on_change = std::move(on_change);
    state_.on_lost = std::move(on_lost);
  }

 private:
  void later(std::function<void()> task) {
    loop_.post([alive = std::weak_ptr<bool>(alive_), task] {
      if (!alive.expired()) task();
    });
  }
  Loop& loop_;
  LogindState& state_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

struct ShutdownManagerTest : NodeWorld {
  LogindState logind;
  bool has_bus = true;
  int connects = 0, changes = 0;
  std::vector<ShutdownPod> pods{{PodUid("web"), 0, seconds(30)},
                                {PodUid("db"), 0, seconds(2)},
                                {PodUid("dns"), kSystemCriticalPriority, seconds(30)}};
  std::vector<std::string> ended;
  std::vector<std::string> events;
  std::unique_ptr<ShutdownManager> manager;

  ~ShutdownManagerTest() override {
    manager.reset();
    if (logind.lock_peer >= 0) ::close(logind.lock_peer);
  }
  void start(Duration normal, Duration critical) {
    ShutdownDependencies dependencies{
        loop,
        clock,
        [this]() -> Result<std::unique_ptr<Logind>> {
          ++connects;
          if (!has_bus) return makeError(Code::kUnavailable, "connect to the system bus: ENOENT");
          return std::unique_ptr<Logind>(std::make_unique<FakeLogind>(loop, logind));
        },
        [this] { return pods; },
        [this](const PodUid& uid, Duration grace, const std::string& reason, const std::string& message) {
          EXPECT_EQ(reason, "Terminated");
          EXPECT_EQ(message, "Pod was terminated in response to imminent node shutdown.");
          ended.push_back(uid.str() + " " + formatDuration(grace));
        },
        [this] { ++changes; },
        [this](const NodeEvent& event) { events.push_back(event.reason); }};
    manager = std::make_unique<ShutdownManager>(
        std::move(dependencies),
        shutdownPeriods({.grace_period = normal + critical, .critical_grace_period = critical}).value());
    manager->start();
  }
  void gone(const std::string& uid) {
    std::erase_if(pods, [&](const auto& pod) { return pod.uid.str() == uid; });
    manager->onPodsChanged();
  }
};

TEST_F(ShutdownManagerTest, RaisesTheDelayAndHoldsALock) {
  start(seconds(20), seconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  EXPECT_EQ(logind.delay, seconds(30));
  EXPECT_TRUE(logind.isLocked());
  EXPECT_FALSE(manager->isShuttingDown());
}

TEST_F(ShutdownManagerTest, LeavesALongEnoughDelayAlone) {
  logind.delay = seconds(60);
  start(seconds(20), seconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  EXPECT_EQ(logind.overrides, 0);
}

TEST_F(ShutdownManagerTest, EndsGroupAfterGroupAndThenLetsTheMachineGo) {
  start(seconds(20), seconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  logind.on_change(true);
  EXPECT_TRUE(manager->isShuttingDown());
  EXPECT_EQ(changes, 1);
  EXPECT_THAT(events, testing::ElementsAre("Shutdown"));
  EXPECT_THAT(ended, testing::ElementsAre("web 20s", "db 2s"));
  gone("db");
  EXPECT_EQ(ended.size(), 2u);
  gone("web");
  EXPECT_THAT(ended, testing::ElementsAre("web 20s", "db 2s", "dns 10s"));
  EXPECT_TRUE(logind.isLocked());
  gone("dns");
  EXPECT_FALSE(logind.isLocked());
  EXPECT_TRUE(manager->startedAt() && manager->endedAt());
}

TEST_F(ShutdownManagerTest, DoesNotWaitLongerThanAGroupsPeriod) {
  start(milliseconds(20), milliseconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  logind.on_change(true);
  ASSERT_TRUE(runUntil([&] { return !manager->holdsLock(); }));
  EXPECT_EQ(ended.size(), 3u);
}

TEST_F(ShutdownManagerTest, AShutdownThatIsCalledOffLeavesANodeWithALock) {
  start(seconds(20), seconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  logind.on_change(true);
  logind.on_change(false);
  EXPECT_FALSE(manager->isShuttingDown());
  ASSERT_TRUE(runUntil([&] { return logind.locks == 2; }));
  EXPECT_TRUE(manager->holdsLock());
  gone("web");
  gone("db");
  EXPECT_EQ(ended.size(), 2u);  // no further group
}

TEST_F(ShutdownManagerTest, IsOffWithoutABusAndWithoutPeriods) {
  has_bus = false;
  start(seconds(20), seconds(10));
  settle();
  EXPECT_EQ(connects, 1);
  EXPECT_FALSE(manager->holdsLock());
  start(seconds(0), seconds(0));
  settle();
  EXPECT_EQ(connects, 1);
}

TEST_F(ShutdownManagerTest, TakesTheLockAlthoughLogindKeepsItsDelay) {
  logind.obeys = false;
  start(seconds(20), seconds(10));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
}

TEST_F(ShutdownManagerTest, LosesTheLockWithTheBus) {
  start(seconds(2), seconds(1));
  ASSERT_TRUE(runUntil([&] { return manager->holdsLock(); }));
  logind.on_lost(makeError(Code::kUnavailable, "system bus: ECONNRESET"));
  ASSERT_TRUE(runUntil([&] { return !manager->holdsLock(); }));
}

}  // namespace
}  // namespace keelson::kubelet::node
