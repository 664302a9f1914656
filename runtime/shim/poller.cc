#include "runtime/shim/poller.h"

#include <algorithm>
#include <array>
#include <climits>

namespace keelson::runtime::shim {
namespace {

constexpr size_t kEventsAtOnce = 32;

int timeoutMs(std::optional<SteadyTime> deadline, SteadyTime now) {
  if (!deadline) return -1;
  if (*deadline <= now) return 0;
  // Rounded up: waking a little early would only turn the loop once more.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now).count();
  return static_cast<int>(std::min<int64_t>(left, INT_MAX));
}

}  // namespace

Poller::Watch& Poller::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    reset();
    poller_ = std::exchange(other.poller_, nullptr);
    id_ = other.id_;
    fd_ = other.fd_;
  }
  return *this;
}

void Poller::Watch::reset() {
  if (poller_ == nullptr) return;
  epoll_ctl(poller_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
  poller_->callbacks_.erase(id_);
  poller_ = nullptr;
}

void Poller::Watch::setEvents(uint32_t events) {
  if (poller_ == nullptr) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id_;
  epoll_ctl(poller_->epoll_.get(), EPOLL_CTL_MOD, fd_, &event);
}

Result<std::unique_ptr<Poller>> Poller::create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return sysError("epoll_create");
  return std::unique_ptr<Poller>(new Poller(std::move(epoll)));
}

Result<Poller::Watch> Poller::watch(int fd, uint32_t events, Callback callback) {
  const uint64_t id = next_id_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return sysError("epoll_ctl");
  callbacks_.emplace(id, std::make_shared<Callback>(std::move(callback)));
  return Watch(this, id, fd);
}

int Poller::wait(std::optional<SteadyTime> deadline, SteadyTime now) {
  std::array<epoll_event, kEventsAtOnce> events;
  const int count =
      epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeoutMs(deadline, now));
  for (int i = 0; i < count; ++i) {
    const auto found = callbacks_.find(events[static_cast<size_t>(i)].data.u64);
    if (found == callbacks_.end()) continue;  // ended by a callback before this one
    const auto callback = found->second;      // lives on while it runs, even if its Watch ends
    (*callback)(events[static_cast<size_t>(i)].events);
  }
  return std::max(count, 0);  // a signal interrupted it
}

}  // namespace keelson::runtime::shim
