// The proxy on a real loop and lane, over a data plane that only notes.
#include "proxy/proxy.h"

#include <gtest/gtest.h>

#include "base/guarded.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;
using std::chrono::milliseconds;

struct Notes {
  std::vector<std::string> syncs;  // doors, changes
  int fail = 0;                    // the next so many
  bool intact = true;
};

class NotingPlane final : public DataPlane {
 public:
  explicit NotingPlane(std::shared_ptr<Guarded<Notes>> notes) : notes_(std::move(notes)) {}

  Result<SyncReport> sync(const Doors& doors, const std::vector<DoorChange>& changes, Stop&) override {
    return notes_->with([&](Notes& notes) -> Result<SyncReport> {
      notes.syncs.push_back(fmt::format("{} doors, {} changed{}", doors.size(), changes.size(),
                                        std::exchange(trusted_, true) ? "" : ", all compared"));
      if (notes.fail > 0) {
        --notes.fail;
        trusted_ = false;
        return makeError(Code::kUnavailable, "no kernel today");
      }
      return SyncReport{};
    });
  }
  void distrust() override { trusted_ = false; }
  Result<bool> intact(Stop&) override {
    return notes_->with([](Notes& notes) { return std::exchange(notes.intact, true); });
  }
  Result<void> remove(Stop&) override { return {}; }

 private:
  const std::shared_ptr<Guarded<Notes>> notes_;
  bool trusted_ = false;
};

struct World {
  explicit World(ProxySettings settings = quick())
      : proxy(loop, lane, realClock(), settings, std::make_unique<NotingPlane>(notes)) {
    proxy.onSynced([this](const ProxyStats& stats) {
      if (after) after(stats);
      if (++synced == until) loop.stop();
    });
  }
  ~World() {
    proxy.stop();
    lane.join();
  }
  static ProxySettings quick() {
    ProxySettings settings;
    settings.min_sync_period = milliseconds(1);
    settings.watch_nftables = false;
    settings.check_period = milliseconds(20);
    settings.retry = {milliseconds(5), milliseconds(5), milliseconds(100)};
    return settings;
  }
  // Until so many syncs are done; what was noted.
  std::vector<std::string> run(int syncs) {
    until = syncs;
    const auto limit = loop.after(std::chrono::seconds(10), [this] { loop.stop(); });
    loop.run();
    return notes->copy().syncs;
  }

  Loop loop;
  Lane lane{"proxy", 1};
  std::shared_ptr<Guarded<Notes>> notes = std::make_shared<Guarded<Notes>>();
  Proxy proxy;
  int synced = 0, until = 0;
  std::function<void(const ProxyStats&)> after;
};

TEST(Proxy, ProgramsNothingBeforeServicesAndEndpointsAreBothKnown) {
  World world;
  world.proxy.setNode(kNode);
  world.proxy.setServices({service("a", "10.96.0.1")});
  const auto later = world.loop.after(milliseconds(20), [&] {
    EXPECT_TRUE(world.notes->copy().syncs.empty());
    world.proxy.setSlices({slice("a", {"10.244.1.1"})});
  });
  EXPECT_EQ(world.run(1), std::vector<std::string>{"1 doors, 1 changed, all compared"});
  EXPECT_EQ(world.proxy.doors()->size(), 1U);
}

TEST(Proxy, WhatComesWhileItWorksIsTakenTogetherAndSingleChangesStaySingle) {
  World world;
  world.proxy.setServices({service("a", "10.96.0.1"), service("b", "10.96.0.2")});
  world.proxy.setSlices({slice("a", {"10.244.1.1"})});
  world.after = [&](const ProxyStats&) {
    if (world.synced > 0) return;
    world.proxy.setSlice("default/b-abc", slice("b", {"10.244.1.2"}));
    world.proxy.setSlice("default/a-abc", slice("a", {"10.244.1.3"}));
    world.proxy.setService("default/b", nullptr);
  };
  EXPECT_EQ(world.run(2),
            (std::vector<std::string>{"2 doors, 2 changed, all compared", "1 doors, 2 changed"}));
}

TEST(Proxy, AFailureIsToldAndTriedAgainAndWhatWaitsIsKnown) {
  World world;
  world.notes->with([](Notes& notes) { notes.fail = 1; });
  world.proxy.setServices({service("a", "10.96.0.1")});
  world.proxy.setSlices({});
  std::vector<std::string> errors;
  std::vector<bool> waiting;
  world.after = [&](const ProxyStats& stats) {
    errors.push_back(stats.last_error);
    waiting.push_back(stats.waiting.has_value());
  };
  EXPECT_EQ(world.run(2), (std::vector<std::string>{"1 doors, 1 changed, all compared",
                                                    "1 doors, 0 changed, all compared"}));
  EXPECT_EQ(errors, (std::vector<std::string>{"no kernel today", ""}));
  EXPECT_EQ(waiting, (std::vector<bool>{true, false}));
  EXPECT_EQ(world.proxy.doors()->size(), 1U);
}

TEST(Proxy, RulesThatSomebodyFlushedAreMadeAgain) {
  World world;
  world.notes->with([](Notes& notes) { notes.intact = false; });
  ASSERT_TRUE(world.proxy.start().ok());
  world.proxy.setServices({});
  world.proxy.setSlices({});
  EXPECT_EQ(world.run(2), (std::vector<std::string>{"0 doors, 0 changed, all compared",
                                                    "0 doors, 0 changed, all compared"}));
}

}  // namespace
}  // namespace keelson::proxy
