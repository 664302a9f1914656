// The event loop on Boost.Asio.
#include <cxxabi.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <system_error>
#include <typeinfo>
#include <unordered_map>

#include "base/executor.h"
#include "base/unique_fd.h"

namespace keelson {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr Duration kLongestTimer = std::chrono::hours(24 * 365);
constexpr Duration kShortestPeriod = std::chrono::milliseconds(1);
constexpr int kEventsPerTurn = 64;
constexpr size_t kSignalsPerTurn = 64;

// The type's name as C++ spells it.
std::string nameOf(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return text ? text.get() : type.name();
}

struct Timer {
  asio::steady_timer timer;
  std::function<void()> task;
  Duration period{0};  // 0: fires once
};

struct Watch {
  int fd = -1;
  UniqueFd owned;  // when fd is ours: a signalfd, or a duplicate of a descriptor that is watched already
  std::function<void()> task;
};

// The state behind Loop. Loop thread, but for post() and the counters. Timers and watches go by keys that
// are never used again, so what is late for a cancelled one (an expiry already queued, an event read in the
// same turn, a descriptor number reborn) finds nothing.
class Core {
 public:
  Core() : ready_(context) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    ready_.assign(epoll.release());
    awaitReady();
  }

  // Runs one callback and takes its time.
  void run(const std::function<void()>& task) {
    const SteadyTime begin = std::chrono::steady_clock::now();
    task();
    const SteadyTime end = std::chrono::steady_clock::now();
    const Duration took = end - begin;
    callbacks.fetch_add(1, std::memory_order_relaxed);
    last_turn.store(end.time_since_epoch().count(), std::memory_order_relaxed);
    if (took.count() > longest.load(std::memory_order_relaxed)) longest.store(took.count());
    if (slow_hook && took > slow_limit) slow_hook(took, nameOf(task.target_type()));
  }

  uint64_t startTimer(Duration delay, Duration period, std::function<void()> task) {
    const uint64_t key = next_key_++;
    auto timer = std::make_shared<Timer>(Timer{asio::steady_timer(context), std::move(task), period});
    timer->timer.expires_after(std::clamp(delay, Duration{0}, kLongestTimer));
    timers_.emplace(key, timer);
    awaitTimer(key, *timer);
    return key;
  }

  // 0: the kernel refused. `owned` is closed with the watch.
  uint64_t startWatch(int fd, UniqueFd owned, std::function<void()> task) {
    const uint64_t key = next_key_++;
    if (!addToEpoll(fd, key)) {
      if (errno != EEXIST) return 0;
      owned = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (!owned || !addToEpoll(owned.get(), key)) return 0;
      fd = owned.get();
    }
    watches_.emplace(key, std::make_shared<Watch>(Watch{fd, std::move(owned), std::move(task)}));
    return key;
  }

  bool watching(uint64_t key) const { return watches_.contains(key); }

  // Ends a timer or a watch; fine if it ended before.
  void end(uint64_t key) {
    timers_.erase(key);  // destroying an asio timer cancels it
    const auto watch = watches_.find(key);
    if (watch == watches_.end()) return;
    ::epoll_ctl(ready_.native_handle(), EPOLL_CTL_DEL, watch->second->fd, nullptr);
    watches_.erase(watch);
  }

  asio::io_context context;
  std::function<void(Duration, const std::string&)> slow_hook;
  Duration slow_limit{0};
  std::atomic<uint64_t> callbacks{0};
  std::atomic<int64_t> longest{0};
  std::atomic<int64_t> last_turn{0};

 private:
  bool addToEpoll(int fd, uint64_t key) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = key;
    return ::epoll_ctl(ready_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void awaitTimer(uint64_t key, Timer& timer) {
    timer.timer.async_wait([this, key](const error_code& error) {
      if (!error) expire(key);
    });
  }

  void expire(uint64_t key) {
    const auto found = timers_.find(key);
    if (found == timers_.end()) return;
    const std::shared_ptr<Timer> timer = found->second;
    if (timer->period == Duration{0}) {
      timers_.erase(found);
      run(timer->task);
      return;
    }
    run(timer->task);
    if (!timers_.contains(key)) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    const SteadyTime next = timer->timer.expiry() + timer->period;
    timer->timer.expires_at(next > now ? next : now + timer->period);
    awaitTimer(key, *timer);
  }

  void awaitReady() {
    ready_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
      if (error) return;
      dispatch();
      awaitReady();
    });
  }

  void dispatch() {
    std::array<epoll_event, kEventsPerTurn> events{};
    const int count = ::epoll_wait(ready_.native_handle(), events.data(), kEventsPerTurn, 0);
    for (int i = 0; i < count; ++i) {
      const auto found = watches_.find(events[static_cast<size_t>(i)].data.u64);
      if (found == watches_.end()) continue;
      const std::shared_ptr<Watch> watch = found->second;
      run(watch->task);
    }
  }

  std::unordered_map<uint64_t, std::shared_ptr<Timer>> timers_;
  std::unordered_map<uint64_t, std::shared_ptr<Watch>> watches_;
  uint64_t next_key_ = 1;
  // An epoll of our own below Asio's: it is level-triggered and leaves the flags of the watched descriptors
  // alone, while an Asio descriptor sets O_NONBLOCK on an open file that its owner may share with others.
  asio::posix::stream_descriptor ready_;
};

// Reads what a signalfd holds.
std::vector<int> readSignals(int fd) {
  std::array<signalfd_siginfo, kSignalsPerTurn> infos{};
  const ssize_t got = ::read(fd, infos.data(), sizeof infos);
  std::vector<int> signals;
  for (size_t i = 0; got > 0 && i < static_cast<size_t>(got) / sizeof infos[0]; ++i) {
    signals.push_back(static_cast<int>(infos[i].ssi_signo));
  }
  return signals;
}

sigset_t setOf(const std::vector<int>& signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

// A key of the loop; holds the loop weakly, so a registration that outlives it ends in peace.
class Registration::Impl {
 public:
  Impl(std::weak_ptr<Core> core, uint64_t key) : core_(std::move(core)), key_(key) {}
  void end() const {
    if (const auto core = core_.lock()) core->end(key_);
  }

 private:
  std::weak_ptr<Core> core_;
  uint64_t key_;
};

Registration::Registration() = default;
Registration::Registration(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Registration::Registration(Registration&&) noexcept = default;
Registration& Registration::operator=(Registration&& other) noexcept {
  if (this != &other) {
    reset();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Registration::~Registration() { reset(); }

void Registration::reset() {
  // Cleared first: ending the callback may destroy what it owns, and that may be our owner.
  if (const std::shared_ptr<Impl> impl = std::move(impl_)) impl->end();
}

struct Loop::Impl {
  std::shared_ptr<Core> core = std::make_shared<Core>();

  Registration registration(uint64_t key) const {
    if (key == 0) return {};
    return Registration(std::make_shared<Registration::Impl>(core, key));
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() {
  const auto work = asio::make_work_guard(impl_->core->context);
  impl_->core->context.run();
}

void Loop::stop() { impl_->core->context.stop(); }

void Loop::post(std::function<void()> task) {
  asio::post(impl_->core->context, [core = impl_->core.get(), task = std::move(task)] { core->run(task); });
}

void Loop::onSlowCallback(Duration limit, std::function<void(Duration, const std::string&)> hook) {
  impl_->core->slow_limit = limit;
  impl_->core->slow_hook = std::move(hook);
}

Registration Loop::after(Duration delay, std::function<void()> task) {
  return impl_->registration(impl_->core->startTimer(delay, Duration{0}, std::move(task)));
}

Registration Loop::every(Duration period, std::function<void()> task) {
  period = std::clamp(period, kShortestPeriod, kLongestTimer);
  return impl_->registration(impl_->core->startTimer(period, period, std::move(task)));
}

Registration Loop::onReadable(int fd, std::function<void()> task) {
  return impl_->registration(impl_->core->startWatch(fd, UniqueFd(), std::move(task)));
}

Registration Loop::onSignal(std::vector<int> signals, std::function<void(int)> task) {
  const sigset_t set = setOf(signals);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return {};
  const int number = fd.get();
  const auto key = std::make_shared<uint64_t>(0);
  *key = impl_->core->startWatch(number, std::move(fd), [core = impl_->core.get(), number, key, task] {
    for (const int signal : readSignals(number)) {
      if (!core->watching(*key)) return;
      task(signal);
    }
  });
  return impl_->registration(*key);
}

asio::io_context& Loop::context() { return impl_->core->context; }

Loop::Stats Loop::stats() const {
  const Core& core = *impl_->core;
  return {core.callbacks.load(), Duration(core.longest.load()),
          SteadyTime(SteadyTime::duration(core.last_turn.load()))};
}

void blockSignals(const std::vector<int>& signals) {
  const sigset_t set = setOf(signals);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace keelson
