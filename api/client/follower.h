// Follows one collection, whatever its kind: the acting part of Informer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/client/follow_plan.h"
#include "api/client/object_table.h"
#include "api/client/watch_decode.h"
#include "base/executor.h"

namespace keelson::api::client {

// Does what a FollowPlan says: requests and timers on the loop, decoding on a strand of its own, in the order
// of arrival. Held by shared_ptr; answers hold it weakly. Loop and lane outlive it, and the lane is joined
// before the loop is destroyed. Home: loop.
class Follower : public std::enable_shared_from_this<Follower> {
 public:
  using OnChanges = std::function<void(std::vector<ObjectChange>)>;

  Follower(Loop& loop, Lane& lane, ApiClient& client, Collection collection, FollowSettings settings,
           DecodeObject decode, const Clock& clock);

  // `on_changes` runs once for the first list, then for each batch that changes something. It may stop() or
  // drop the follower.
  void start(OnChanges on_changes);
  void stop();
  bool synced() const { return synced_; }
  FollowStats stats() const;

 private:
  void run(FollowPlan::Step step);
  void list(FollowPlan::List step);
  void watch(FollowPlan::Watch step);
  void onList(uint64_t turn, ListKind kind, Result<json::value> answer);
  void onPage(uint64_t turn, ListKind kind, Result<Page> page);
  void onLines(uint64_t turn, std::string_view lines);
  void onBatch(uint64_t turn, size_t bytes, WatchBatch batch);
  void endWatch(uint64_t turn, Result<void> result);
  void tell(std::vector<ObjectChange> changes);
  void fail(const Error& error) { last_error_ = error.text; }

  Loop& loop_;
  ApiClient& client_;
  const Clock& clock_;
  const DecodeObject decode_;
  Strand strand_;
  FollowPlan plan_;
  ObjectTable table_;
  std::shared_ptr<OnChanges> on_changes_;
  // The number of the current step; what belongs to an earlier one is late and ignored.
  uint64_t turn_ = 0;
  Call call_;
  Registration timer_;
  std::vector<Item> pages_;
  size_t undecoded_ = 0;  // bytes of the watch that wait on the strand
  bool synced_ = false;
  std::string last_error_;
  uint64_t lists_ = 0, watches_ = 0, events_ = 0;
};

}  // namespace keelson::api::client
