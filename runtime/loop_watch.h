// Descriptors watched on the loop for objects that live on other threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/executor.h"
#include "base/unique_fd.h"

namespace keelson::runtime {

// A Registration belongs to the loop's thread; shims are connected on strands. This owns the
// registrations and takes orders from any thread, in the order they are given. Destroy it on the loop's
// thread or when the loop does not run; no callback runs after that.
class LoopWatch {
 public:
  using Key = uint64_t;

  explicit LoopWatch(Loop& loop);
  ~LoopWatch();
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  // Runs `on_readable` on the loop each time `fd` is readable (level-triggered), until remove(). Keeps fd
  // open.
  Key add(std::shared_ptr<const UniqueFd> fd, std::function<void()> on_readable);
  // The same for something that happens once (a pidfd): removed after its first run.
  Key addOnce(std::shared_ptr<const UniqueFd> fd, std::function<void()> on_readable);
  // Fine if absent. A callback that is due may still run once before the loop gets to this.
  void remove(Key key);
  // Runs `task` on the loop unless this is destroyed before.
  void post(std::function<void()> task);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace keelson::runtime
