#include "runtime/loop_watch.h"

#include <atomic>
#include <map>
#include <utility>

namespace keelson::runtime {

struct LoopWatch::State {
  explicit State(Loop& where) : loop(where) {}

  struct Entry {
    std::shared_ptr<const UniqueFd> fd;  // before the registration: closed after it has ended
    Registration registration;
  };

  void watch(Key key, std::shared_ptr<const UniqueFd> fd, std::function<void()> on_readable) {
    const int number = fd->get();
    auto& entry = entries[key];
    entry.fd = std::move(fd);
    entry.registration = loop.onReadable(number, std::move(on_readable));
  }

  Loop& loop;
  std::atomic<Key> next_key{1};
  std::map<Key, Entry> entries;  // loop thread only
};

LoopWatch::LoopWatch(Loop& loop) : state_(std::make_shared<State>(loop)) {}

LoopWatch::~LoopWatch() { state_->entries.clear(); }

LoopWatch::Key LoopWatch::add(std::shared_ptr<const UniqueFd> fd, std::function<void()> on_readable) {
  const Key key = state_->next_key++;
  post([state = state_.get(), key, fd = std::move(fd), on_readable = std::move(on_readable)]() mutable {
    state->watch(key, std::move(fd), std::move(on_readable));
  });
  return key;
}

LoopWatch::Key LoopWatch::addOnce(std::shared_ptr<const UniqueFd> fd, std::function<void()> on_readable) {
  const Key key = state_->next_key++;
  // Removed by a later turn of the loop: a registration does not end inside of its own callback.
  auto once = [this, key, on_readable = std::move(on_readable), told = false]() mutable {
    if (std::exchange(told, true)) return;
    remove(key);
    on_readable();
  };
  post([state = state_.get(), key, fd = std::move(fd), once = std::move(once)]() mutable {
    state->watch(key, std::move(fd), std::move(once));
  });
  return key;
}

void LoopWatch::remove(Key key) {
  post([state = state_.get(), key] { state->entries.erase(key); });
}

void LoopWatch::post(std::function<void()> task) {
  state_->loop.post([weak = std::weak_ptr<State>(state_), task = std::move(task)] {
    if (const auto alive = weak.lock()) task();
  });
}

}  // namespace keelson::runtime
