// Threads for blocking work, and order on top of them.
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "base/executor.h"

namespace keelson {
namespace {

constexpr size_t kThreadNameBytes = 15;  // pthread_setname_np(3)

// The process's strands, for strandStats(). An entry leaves in the destructor of its strand's Impl, so
// what is listed under the lock is alive.
struct Registry {
  std::mutex mutex;
  std::map<const void*, std::function<Strand::Stats()>> strands;
};

Registry& registry() {
  static Registry& all = *new Registry;  // never destroyed: strands may outlive static objects
  return all;
}

}  // namespace

struct Lane::Impl {
  std::string name;
  mutable std::mutex mutex;
  std::condition_variable work;
  std::deque<std::function<void()>> queue;
  size_t running = 0;
  bool joining = false;
  std::mutex join_mutex;  // one joiner at a time
  std::vector<std::thread> threads;

  // False once join() began.
  bool post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex);
      if (joining) return false;
      queue.push_back(std::move(task));
    }
    work.notify_one();
    return true;
  }
  bool refuses() const {
    const std::lock_guard lock(mutex);
    return joining;
  }
  // For a strand's next turn, put from a thread of this lane: allowed while joining.
  void postNextTurn(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex);
      queue.push_back(std::move(task));
    }
    work.notify_one();
  }

  void runThread() {
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [this] { return joining || !queue.empty(); });
      if (queue.empty()) return;
      std::function<void()> task = std::move(queue.front());
      queue.pop_front();
      ++running;
      lock.unlock();
      task();
      task = nullptr;  // what it owns dies outside the lock
      lock.lock();
      --running;
    }
  }
};

Lane::Lane(std::string name, size_t threads) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
    std::thread& thread = impl_->threads.emplace_back([impl = impl_.get()] { impl->runThread(); });
    ::pthread_setname_np(thread.native_handle(), impl_->name.substr(0, kThreadNameBytes).c_str());
  }
}

Lane::~Lane() { join(); }

const std::string& Lane::name() const { return impl_->name; }

void Lane::post(std::function<void()> task) { impl_->post(std::move(task)); }

void Lane::join() {
  const std::lock_guard one_joiner(impl_->join_mutex);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->joining = true;
  }
  impl_->work.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

size_t Lane::queued() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size() + impl_->running;
}

struct Strand::Impl : std::enable_shared_from_this<Strand::Impl> {
  Lane::Impl& lane;
  const std::string name;
  mutable std::mutex mutex;
  std::deque<std::function<void()>> queue;
  bool scheduled = false;  // a turn waits or runs on the lane
  bool closed = false;
  SteadyTime running_since = SteadyTime::max();  // max: idle

  Impl(Lane::Impl& lane_of_it, std::string its_name) : lane(lane_of_it), name(std::move(its_name)) {
    const std::lock_guard lock(registry().mutex);
    registry().strands[this] = [this] { return stats(); };
  }
  ~Impl() {
    const std::lock_guard lock(registry().mutex);
    registry().strands.erase(this);
  }

  void post(std::function<void()> task) {
    if (lane.refuses()) return;
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      queue.push_back(std::move(task));
      if (scheduled) return;
      scheduled = true;
    }
    // join() may have begun since refuses(): then nothing of this strand runs, so it forgets its tasks.
    if (lane.post([self = shared_from_this()] { self->turn(); })) return;
    std::deque<std::function<void()>> dropped;
    const std::lock_guard lock(mutex);
    dropped.swap(queue);
    scheduled = false;
  }

  // Runs one task, then goes to the end of the lane's queue.
  void turn() {
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex);
      task = std::move(queue.front());
      queue.pop_front();
      running_since = std::chrono::steady_clock::now();
    }
    task();
    task = nullptr;
    {
      const std::lock_guard lock(mutex);
      running_since = SteadyTime::max();
      scheduled = !queue.empty();
      if (!scheduled) return;
    }
    lane.postNextTurn([self = shared_from_this()] { self->turn(); });
  }

  Stats stats() const {
    const std::lock_guard lock(mutex);
    Stats stats{name, queue.size(), Duration{0}};
    if (running_since != SteadyTime::max()) {
      stats.running = std::max<Duration>(std::chrono::steady_clock::now() - running_since, Duration{1});
    }
    return stats;
  }
};

Strand::Strand(Lane& lane, std::string name) : impl_(std::make_shared<Impl>(*lane.impl_, std::move(name))) {}

Strand::~Strand() { close(); }

void Strand::post(std::function<void()> task) { impl_->post(std::move(task)); }

void Strand::close() {
  const std::lock_guard lock(impl_->mutex);
  impl_->closed = true;
}

Strand::Stats Strand::stats() const { return impl_->stats(); }

std::vector<Strand::Stats> strandStats() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<Strand::Stats> stats;
  stats.reserve(all.strands.size());
  for (const auto& [strand, read] : all.strands) stats.push_back(read());
  return stats;
}

}  // namespace keelson
