// The manager on a real loop and lane, with a fake clock and figures that a test sets.
#include "kubelet/eviction/eviction_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_images.h"
#include "tests/unit/kubelet/eviction/eviction_values.h"

namespace keelson::kubelet::eviction {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Lines = std::vector<std::string>;

constexpr auto kPatience = seconds(20);

// A node with ten gigabytes of everything; a test says how much is left.
class FakeObserver final : public stats::Observer {
 public:
  struct State {
    int64_t memory = 10LL << 30, disk = 10LL << 30, pids = 30000;
    std::map<std::string, stats::PodStats> pods;
    bool broken = false;
    bool held = false;  // node() blocks until it is cancelled
    int node_reads = 0;
    Lines pod_reads;  // "uid" or "uid disk"
  };
  explicit FakeObserver(const Clock& clock) : clock_(clock) {}
  Guarded<State> state;

  Result<stats::NodeStats> node(Stop& stop) override {
    const State now = state.with([](State& each) {
      ++each.node_reads;
      return each;
    });
    while (now.held && !stop.cancelled()) std::this_thread::yield();
    if (now.broken) return makeError(Code::kUnavailable, "no figures");
    stats::NodeStats node;
    node.at = clock_.wall();
    node.meminfo.total = Bytes{100LL << 30};
    node.memory = kernel::CgroupMemory{.working_set = Bytes{node.meminfo.total.value - now.memory}};
    node.nodefs = node.imagefs = node.containerfs =
        kernel::FsCapacity{1, Bytes{100LL << 30}, Bytes{now.disk}, 1'000'000, 900'000};
    node.tasks = kernel::TaskCount{32768, static_cast<uint64_t>(32768 - now.pids)};
    return node;
  }
  stats::PodStats pod(const stats::PodSource& source, stats::Detail detail, Stop&) override {
    return state.with([&](State& each) {
      each.pod_reads.push_back(source.uid.str() + (detail == stats::Detail::kDisk ? " disk" : ""));
      const auto found = each.pods.find(source.uid.str());
      return found == each.pods.end() ? stats::PodStats{} : found->second;
    });
  }

 private:
  const Clock& clock_;
};

class FakeReclaim final : public Reclaim {
 public:
  explicit FakeReclaim(FakeObserver& observer) : observer_(observer) {}
  int64_t frees = 0;
  int calls = 0;  // read when no round runs

  ErrorList unusedImages(const std::vector<api::PodPtr>&, Stop&) override {
    ++calls;
    observer_.state.with([&](auto& each) { each.disk += frees; });
    return {};
  }

 private:
  FakeObserver& observer_;
};

class EvictionManagerTest : public ::testing::Test {
 protected:
  EvictionManagerTest() {
    options_.policy.thresholds = {threshold(Signal::kMemoryAvailable, "100Mi"),
                                  threshold(Signal::kNodefsAvailable, "1Gi"),
                                  threshold(Signal::kPidAvailable, "1k")};
    options_.monitoring_interval = std::chrono::hours(1);  // rounds are triggered
    options_.urgent_interval = seconds(10);                // of the fake clock; no real timer comes so late
    options_.cleanup_poll = std::chrono::milliseconds(1);
    options_.pressure_file = "";
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~EvictionManagerTest() override {
    onLoop([&] { manager_.reset(); });
    lane_.join();
    loop_.stop();
    thread_.join();
  }

  void onLoop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  }
  // The round under way has ended and was reported.
  void settle() {
    std::promise<void> idle;
    lane_.post([&] { idle.set_value(); });
    ASSERT_EQ(idle.get_future().wait_for(kPatience), std::future_status::ready);
    onLoop([] {});
  }
  void start() {
    onLoop([&] {
      EvictionCallbacks callbacks;
      callbacks.active_pods = [this] { return pods_; };
      callbacks.evict = [this](const Eviction& each) {
        log_.push_back(fmt::format("evict {} {}", each.uid.str(), formatDuration(each.grace)));
        last_ = each;
        if (pods_go_) removePod(each.uid);
      };
      callbacks.pressure_changed = [this](const node::NodePressure& pressure) {
        log_.push_back(pressureText(pressure));
      };
      callbacks.node_event = [this](const std::string& reason, const std::string& message) {
        log_.push_back(reason + ": " + message);
      };
      callbacks.pod_event = [this](const Eviction& each) { log_.push_back("event of " + each.uid.str()); };
      manager_.emplace(options_, EvictionDependencies{loop_, lane_, clock_, observer_, reclaim_},
                       std::move(callbacks));
      manager_->start();
    });
    settle();
  }
  // One more round, `later`, at least the urgent interval.
  void round(Duration later = seconds(10)) {
    clock_.advance(later);
    onLoop([&] { manager_->trigger(); });
    settle();
  }
  Lines takeLog() {
    Lines lines;
    onLoop([&] { lines.swap(log_); });
    return lines;
  }
  void addPod(const PodSketch& sketch, const std::function<void(api::Pod&)>& change = {}) {
    api::Pod pod = podOf(sketch);
    if (change) change(pod);
    auto shared = std::make_shared<const api::Pod>(std::move(pod));
    observer_.state.with([&](auto& each) { each.pods[shared->metadata.uid] = statsOf(sketch); });
    onLoop([&] { pods_.push_back(shared); });
  }
  void removePod(const PodUid& uid) {  // loop
    std::erase_if(pods_, [&](const api::PodPtr& each) { return each->metadata.uid == uid.str(); });
  }
  void setMemory(int64_t mebibytes) {
    observer_.state.with([&](auto& each) { each.memory = mebibytes << 20; });
  }
  void setDisk(int64_t mebibytes) {
    observer_.state.with([&](auto& each) { each.disk = mebibytes << 20; });
  }
  // Waits for the clean-up poll of the loop to have led to `count` lines.
  void waitLines(size_t count) {
    Stop patience{Duration(kPatience)};
    size_t now = 0;
    while (now < count && !patience.expired()) onLoop([&] { now = log_.size(); });
    ASSERT_GE(now, count);
  }

  FakeClock clock_;
  Loop loop_;
  Lane lane_{"eviction", 1};
  FakeObserver observer_{clock_};
  Reclaim* reclaim_ = nullptr;
  EvictionOptions options_;
  std::optional<EvictionManager> manager_;
  std::thread thread_;
  // Loop:
  std::vector<api::PodPtr> pods_;
  Lines log_;
  Eviction last_;
  bool pods_go_ = true;
};

TEST_F(EvictionManagerTest, AQuietNodeIsLeftAloneAndNothingOfPodsIsRead) {
  addPod({.name = "a", .memory_usage = "9Gi"});
  start();
  round();
  EXPECT_THAT(takeLog(), IsEmpty());
  EXPECT_THAT(observer_.state.copy().pod_reads, IsEmpty());
  EXPECT_EQ(observer_.state.copy().node_reads, 2);
}

TEST_F(EvictionManagerTest, ShortMemoryEndsTheWorstPod) {
  addPod({.name = "small", .memory_usage = "5Mi"});
  addPod({.name = "big", .memory_usage = "500Mi"});
  setMemory(54);
  pods_go_ = false;
  start();
  EXPECT_THAT(takeLog(), ElementsAre("[MemoryPressure]", "EvictionThresholdMet: Attempting to reclaim memory",
                                     "event of uid-big", "evict uid-big 1s"));
  onLoop([&] {
    EXPECT_EQ(
        last_.message,
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 54Mi. Container c was "
        "using 500Mi, request is 0, has larger consumption of memory. ");
    EXPECT_TRUE(manager_->pressure().memory);
    EXPECT_EQ(manager_->evictions().at("memory.available"), 1u);
    EXPECT_EQ(manager_->admit(api::Pod{}).message,
              "Pod was rejected: The node had condition: [MemoryPressure]. ");
  });
}

TEST_F(EvictionManagerTest, TheNextRoundFollowsWhenThePodIsGone) {
  addPod({.name = "a", .memory_usage = "5Mi"});
  addPod({.name = "b", .memory_usage = "50Mi"});
  addPod({.name = "c", .memory_usage = "500Mi"});
  setMemory(54);
  pods_go_ = false;
  start();
  EXPECT_THAT(takeLog().back(), "evict uid-c 1s");
  clock_.advance(seconds(2));
  onLoop([&] { removePod(PodUid{"uid-c"}); });
  waitLines(3);
  EXPECT_THAT(takeLog(), ElementsAre("EvictionThresholdMet: Attempting to reclaim memory", "event of uid-b",
                                     "evict uid-b 1s"));
}

TEST_F(EvictionManagerTest, APodThatDoesNotGoHoldsUpTheNextForThirtySecondsOnly) {
  addPod({.name = "a", .memory_usage = "5Mi"});
  addPod({.name = "stuck", .memory_usage = "500Mi"});
  setMemory(54);
  pods_go_ = false;
  start();
  EXPECT_THAT(takeLog().back(), "evict uid-stuck 1s");
  clock_.advance(seconds(29));
  onLoop([] {});
  EXPECT_THAT(takeLog(), IsEmpty());
  clock_.advance(seconds(1));
  waitLines(3);
  EXPECT_THAT(takeLog().back(), "evict uid-a 1s");
}

TEST_F(EvictionManagerTest, PressureEndsAfterTheTransitionPeriod) {
  setMemory(54);
  start();
  EXPECT_THAT(takeLog(),
              ElementsAre("[MemoryPressure]", "EvictionThresholdMet: Attempting to reclaim memory"));
  setMemory(5000);
  round(minutes(4));
  EXPECT_THAT(takeLog(), IsEmpty());
  round(minutes(1));
  EXPECT_THAT(takeLog(), ElementsAre("[]"));
}

TEST_F(EvictionManagerTest, CriticalPodsStay) {
  addPod({.name = "system", .priority = 2'000'000'000, .memory_usage = "5Gi"});
  addPod({.name = "static", .memory_usage = "5Gi"},
         [](api::Pod& pod) { pod.metadata.annotations["kubernetes.io/config.source"] = "file"; });
  setMemory(54);
  start();
  EXPECT_THAT(takeLog(),
              ElementsAre("[MemoryPressure]", "EvictionThresholdMet: Attempting to reclaim memory"));
}

TEST_F(EvictionManagerTest, ImagesGoBeforePods) {
  FakeReclaim reclaim(observer_);
  reclaim.frees = 5LL << 30;
  reclaim_ = &reclaim;
  addPod({.name = "a", .logs = 1 << 20});
  setDisk(500);
  start();
  EXPECT_THAT(takeLog(),
              ElementsAre("[DiskPressure]", "EvictionThresholdMet: Attempting to reclaim ephemeral-storage"));
  EXPECT_EQ(reclaim.calls, 1);
}

TEST_F(EvictionManagerTest, APodGoesWhenImagesWereNotEnough) {
  FakeReclaim reclaim(observer_);
  reclaim.frees = 100LL << 20;
  reclaim_ = &reclaim;
  addPod({.name = "a", .logs = 1 << 20});
  addPod({.name = "b", .volume = 1 << 21});
  setDisk(500);
  start();
  EXPECT_THAT(takeLog(),
              ElementsAre("[DiskPressure]", "EvictionThresholdMet: Attempting to reclaim ephemeral-storage",
                          "event of uid-b", "evict uid-b 1s"));
  EXPECT_THAT(observer_.state.copy().pod_reads, ElementsAre("uid-a disk", "uid-b disk"));
}

TEST_F(EvictionManagerTest, ImagesDoNotHelpMemory) {
  FakeReclaim reclaim(observer_);
  reclaim_ = &reclaim;
  addPod({.name = "a"});
  setMemory(54);
  start();
  EXPECT_EQ(takeLog().back(), "evict uid-a 1s");
  EXPECT_EQ(reclaim.calls, 0);
}

TEST_F(EvictionManagerTest, PodsBeyondTheirLimitsGoTogetherFromAHealthyNode) {
  const auto limited = [](api::Pod& pod) { pod.spec.volumes[0].empty_dir->size_limit = amount("1Mi"); };
  addPod({.name = "free", .volume = 1 << 30});
  addPod({.name = "over", .volume = 1 << 21}, limited);
  addPod({.name = "within", .volume = 1 << 10}, limited);
  addPod({.name = "also-over", .volume = 1 << 21}, limited);
  start();
  EXPECT_THAT(takeLog(), ElementsAre("event of uid-over", "evict uid-over 1s", "event of uid-also-over",
                                     "evict uid-also-over 1s"));
  onLoop([&] {
    EXPECT_EQ(last_.message, "Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". ");
    EXPECT_EQ(manager_->evictions().at("emptydirfs.limit"), 2u);
  });
  EXPECT_THAT(observer_.state.copy().pod_reads, ::testing::Not(::testing::Contains(HasSubstr("uid-free"))));
}

TEST_F(EvictionManagerTest, WithoutIsolationLimitsAreNotLookedAt) {
  options_.policy.local_storage_isolation = false;
  addPod({.name = "over", .volume = 1 << 21},
         [](api::Pod& pod) { pod.spec.volumes[0].empty_dir->size_limit = amount("1Mi"); });
  start();
  EXPECT_THAT(takeLog(), IsEmpty());
}

TEST_F(EvictionManagerTest, ASoftThresholdWaitsAndGivesTime) {
  options_.policy.thresholds = {threshold(Signal::kMemoryAvailable, "1Gi", seconds(30))};
  options_.policy.max_pod_grace_seconds = 20;
  addPod({.name = "a"});
  setMemory(500);
  start();
  EXPECT_THAT(takeLog(), ElementsAre("[MemoryPressure]"));
  round(seconds(20));
  EXPECT_THAT(takeLog(), IsEmpty());
  round(seconds(10));
  EXPECT_THAT(takeLog(), ElementsAre("EvictionThresholdMet: Attempting to reclaim memory", "event of uid-a",
                                     "evict uid-a 20s"));
}

TEST_F(EvictionManagerTest, ANodeThatCannotBeReadKeepsItsConditions) {
  setMemory(54);
  start();
  takeLog();
  observer_.state.with([](auto& each) { each.broken = true; });
  round(minutes(10));
  EXPECT_THAT(takeLog(), IsEmpty());
  onLoop([&] { EXPECT_TRUE(manager_->pressure().memory); });
}

TEST_F(EvictionManagerTest, StallsAreAnsweredOnceInTheUrgentInterval) {
  options_.urgent_interval = std::chrono::hours(1);
  start();
  clock_.advance(minutes(30));
  onLoop([&] { manager_->trigger(); });
  settle();
  EXPECT_EQ(observer_.state.copy().node_reads, 1);
  clock_.advance(minutes(30));
  onLoop([&] { manager_->trigger(); });
  settle();
  EXPECT_EQ(observer_.state.copy().node_reads, 2);
}

TEST_F(EvictionManagerTest, StoppingDropsTheRoundUnderWay) {
  addPod({.name = "a"});
  setMemory(54);
  observer_.state.with([](auto& each) { each.held = true; });
  onLoop([&] {
    EvictionCallbacks callbacks;
    callbacks.active_pods = [this] { return pods_; };
    manager_.emplace(options_, EvictionDependencies{loop_, lane_, clock_, observer_, nullptr},
                     std::move(callbacks));
    manager_->start();
  });
  onLoop([&] { manager_.reset(); });
  settle();
  EXPECT_THAT(takeLog(), IsEmpty());
}

TEST_F(EvictionManagerTest, WithNothingToWatchItDoesNothing) {
  options_.policy.thresholds.clear();
  options_.policy.local_storage_isolation = false;
  start();
  EXPECT_EQ(observer_.state.copy().node_reads, 0);
}

TEST_F(EvictionManagerTest, AKernelWithoutPressureFilesIsWatchedByTheTimer) {
  options_.pressure_file = "/proc/no-such-pressure";
  options_.monitoring_interval = std::chrono::milliseconds(1);
  start();
  onLoop([&] { EXPECT_FALSE(manager_->hasPressureTrigger()); });
  Stop patience{Duration(kPatience)};
  while (observer_.state.copy().node_reads < 3 && !patience.expired()) onLoop([] {});
  EXPECT_GE(observer_.state.copy().node_reads, 3);
}

TEST(ImageReclaimTest, RemovesWhatNoPodNames) {
  fakes::FakeImages images;
  images.putLocal("nginx");
  images.putLocal("busybox");
  images.putLocal("redis");
  api::Pod pod;
  pod.spec.containers.emplace_back().image = "nginx";
  pod.spec.init_containers.emplace_back().image = "docker.io/library/redis:latest";
  ImageReclaim reclaim(images);
  Stop stop;
  const ErrorList errors = reclaim.unusedImages({std::make_shared<const api::Pod>(pod)}, stop);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(images.list().size(), 2u);
  EXPECT_EQ(images.find("busybox").value(), nullptr);
}

}  // namespace
}  // namespace keelson::kubelet::eviction
