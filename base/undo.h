// The reverse of each step of a set-up that may still fail.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace keelson {

// Push the reverse of every step as it succeeds; commit() when all did. Without commit() the
// destructor runs the closures, last pushed first. Closures must not throw. Owned by one function.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)();
  }

  void push(std::function<void()> reverse) { steps_.push_back(std::move(reverse)); }
  void commit() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

}  // namespace keelson
