// Where code runs: the loop, lanes of threads, and strands on them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// Asio is named here only so that the agent can build its Beast servers on the loop.
namespace boost::asio {
class io_context;
}

namespace keelson {

// A deadline and a cancel flag for blocking code; taken last, by reference. Copies share the flag.
// Any thread.
class Stop {
 public:
  // Never expires; only cancel() ends it. For code whose caller has no deadline of its own.
  Stop();
  explicit Stop(Duration timeout);
  // Expires when either does: a shorter deadline for one step of a longer job.
  Stop within(Duration timeout) const;

  void cancel() { cancelled_->store(true); }
  bool cancelled() const { return cancelled_->load(); }
  bool expired() const { return std::chrono::steady_clock::now() >= deadline_; }
  SteadyTime deadline() const { return deadline_; }
  // Time left, never negative; capped at one hour so that it fits poll(2).
  std::chrono::milliseconds remaining() const;
  // kCancelled or kDeadlineExceeded with `what` in the text, else ok.
  Result<void> check(std::string_view what) const;

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;
  SteadyTime deadline_;
};

// A pending timer or a watched descriptor: destroying it (on the loop, or when the loop does not run)
// ends it, and its callback does not run after that. A callback may destroy its own registration.
class Registration {
 public:
  class Impl;
  Registration();
  explicit Registration(std::shared_ptr<Impl> impl);
  Registration(Registration&&) noexcept;
  Registration& operator=(Registration&&) noexcept;
  ~Registration();
  // False for a default one, after reset(), and when the kernel refused to watch the descriptor.
  bool active() const { return impl_ != nullptr; }
  void reset();

 private:
  std::shared_ptr<Impl> impl_;
};

// The one event loop (Boost.Asio underneath). Owns sockets, timers, signals and desired maps.
// Callbacks take under 1 ms and never block; a slower one is told to onSlowCallback's hook.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs callbacks on the calling thread until stop(); once in a Loop's life.
  void run();
  // Any thread.
  void stop();
  // Any thread: `task` runs on the loop, in the order of posting.
  void post(std::function<void()> task);

  // Called on the loop after each callback that took longer than `limit`, with the time and the type
  // name of the callback (for a lambda it holds the enclosing function). Set before run().
  void onSlowCallback(Duration limit, std::function<void(Duration, const std::string&)> hook);

  // The following are for the loop thread (or before run()).
  [[nodiscard]] Registration after(Duration delay, std::function<void()> task);
  // First after one period. Turns that were missed (a slow loop, a suspended machine) are left out.
  [[nodiscard]] Registration every(Duration period, std::function<void()> task);
  // Runs `task` each time `fd` is readable, hung up or in error (level-triggered). The caller keeps fd
  // open meanwhile; its flags are not touched. Inactive if epoll_ctl(2) refuses it (a regular file).
  [[nodiscard]] Registration onReadable(int fd, std::function<void()> task);
  // Signals must be blocked before any thread starts (blockSignals); read here by signalfd.
  [[nodiscard]] Registration onSignal(std::vector<int> signals, std::function<void(int)> task);

  boost::asio::io_context& context();

  // Progress counters for `keelctl health`: callbacks run, longest callback, when it last turned.
  // Any thread.
  struct Stats {
    uint64_t callbacks = 0;
    Duration longest{0};
    SteadyTime last_turn;
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Blocks the signals that the loop reads, in the calling thread and those it starts; ignores SIGPIPE.
void blockSignals(const std::vector<int>& signals);

// A small pool of threads that isolates one kind of blocking work from the others (a bulkhead).
// Outlives its strands. Its queue has no limit of its own: strands put at most one entry each into it,
// and whoever posts directly bounds what it posts.
class Lane {
 public:
  Lane(std::string name, size_t threads);
  ~Lane();  // join()s
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  const std::string& name() const;
  // Any thread. Tasks posted after join() began are dropped.
  void post(std::function<void()> task);
  // Runs what was posted (strands to their end), then ends the threads. Not from a task of this lane.
  void join();
  size_t queued() const;  // tasks that wait or run

 private:
  friend class Strand;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs its tasks one at a time, in order, on a lane's threads. Any thread may post. Strands take turns
// task by task. Destroying one is close(): what was posted before still runs, so tasks own what they use.
class Strand {
 public:
  Strand(Lane& lane, std::string name);
  ~Strand();
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void post(std::function<void()> task);
  // Later posts are refused (dropped); what was posted before runs to its end.
  void close();

  // For the dump of strands in `keelctl health`: what waits, and since when the current task runs.
  struct Stats {
    std::string name;
    size_t queued = 0;
    Duration running{0};  // 0: idle
  };
  Stats stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Every live strand of the process, for that dump. Any thread.
std::vector<Strand::Stats> strandStats();

}  // namespace keelson
