// The shims this daemon is connected with, one connection a pod.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "base/ids.h"
#include "runtime/loop_watch.h"
#include "runtime/run_folder.h"
#include "runtime/shim_client.h"

namespace keelson::runtime {

// Connects when first needed, again after a connection broke, and watches each shim on the loop: the listener
// hears that something changed (its eventfd) and that it is gone (its pidfd; our children are reaped there).
// Any thread; destroy as LoopWatch.
class ShimLinks {
 public:
  ShimLinks(Loop& loop, std::string run_dir) : run_dir_(std::move(run_dir)), watch_(loop) {}

  void setListener(std::function<void(const PodUid&)> listener);
  void notify(const PodUid& uid);  // the listener, from the loop

  // Runs `use` with the pod's connection and returns its Result. Callers for one pod queue here: each
  // holds the connection for its requests, bounded by its own Stop. Errors besides those of `use`: kNotFound
  // when there is no run folder or its shim is gone.
  template <class Use>
  auto with(const PodUid& uid, Stop& stop, Use use) -> decltype(use(std::declval<ShimClient&>())) {
    const auto link = linkOf(uid);
    return link->with([&](Link& held) -> decltype(use(std::declval<ShimClient&>())) {
      auto connected = connect(uid, held, stop);
      if (!connected) return std::move(connected).error();
      return use(*held.client);
    });
  }

  // A connection made by who started the shim.
  void adopt(const PodUid& uid, ShimClient client);
  // Forgets the pod: connection closed, nothing watched.
  void drop(const PodUid& uid);

 private:
  struct Link {
    std::optional<ShimClient> client;
    LoopWatch::Key changed = 0, ended = 0;  // 0: not watched
  };
  using SharedLink = std::shared_ptr<Guarded<Link>>;

  SharedLink linkOf(const PodUid& uid);
  Result<void> connect(const PodUid& uid, Link& link, Stop& stop);
  void watch(const PodUid& uid, Link& link);
  void unwatch(Link& link);

  const std::string run_dir_;
  Guarded<std::map<PodUid, SharedLink>> links_;
  Guarded<std::function<void(const PodUid&)>> listener_;
  LoopWatch watch_;
};

// Takes the exit status of a child, so that it does not stay a zombie; fine if it is not ours.
void reap(int pidfd);

}  // namespace keelson::runtime
