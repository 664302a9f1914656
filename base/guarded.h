// A value that several threads share, reachable only under its lock.
#pragma once

#include <mutex>
#include <utility>

namespace keelson {

// Owns a T and the mutex that guards it: the one form of locking outside base. Meant for short
// reads and swaps of small state (a snapshot pointer, a map of handles). Any thread. Not
// recursive: calling with() from inside with() of the same object deadlocks; never block inside.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  // Runs `use` with the value under the lock and returns what it returns. Take copies out, never
  // references.
  template <class Use>
  auto with(Use&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  template <class Use>
  auto with(Use&& use) const {
    const std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(static_cast<const T&>(value_));
  }

  // A copy of the value as it is now.
  T copy() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  // Puts `value` in place and returns the former one (whose destructor so runs outside the lock).
  T exchange(T value) {
    const std::lock_guard lock(mutex_);
    return std::exchange(value_, std::move(value));
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace keelson
