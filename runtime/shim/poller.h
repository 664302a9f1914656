// The shim's event loop: epoll and the nearest deadline.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime::shim {

// Calls back when descriptors are ready. Single-threaded; outlives its Watches. The log writer has one of its
// own.
class Poller {
 public:
  using Callback = std::function<void(uint32_t events)>;

  // One watched descriptor; destroying it ends the watch, also from within a callback.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept
        : poller_(std::exchange(other.poller_, nullptr)), id_(other.id_), fd_(other.fd_) {}
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { reset(); }
    void reset();
    bool active() const { return poller_ != nullptr; }
    void setEvents(uint32_t events);

   private:
    friend class Poller;
    Watch(Poller* poller, uint64_t id, int fd) : poller_(poller), id_(id), fd_(fd) {}
    Poller* poller_ = nullptr;
    uint64_t id_ = 0;
    int fd_ = -1;
  };

  static Result<std::unique_ptr<Poller>> create();

  // EPOLL* events, level-triggered. `fd` stays open as long as the Watch.
  Result<Watch> watch(int fd, uint32_t events, Callback callback);
  // Waits until something is ready or `deadline`, then calls back. Returns how many were ready.
  int wait(std::optional<SteadyTime> deadline, SteadyTime now);

 private:
  explicit Poller(UniqueFd epoll) : epoll_(std::move(epoll)) {}
  UniqueFd epoll_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::shared_ptr<Callback>> callbacks_;
};

// The earlier of two deadlines that may be absent.
inline std::optional<SteadyTime> earlier(std::optional<SteadyTime> a, std::optional<SteadyTime> b) {
  if (!a || !b) return a ? a : b;
  return *a < *b ? a : b;
}

}  // namespace keelson::runtime::shim
