// Answers of the API server that may be used again for a while.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace keelson::kubelet::server {

// At most `limit` answers: when it is full, expired ones go, then the one that expires first. Home: loop.
template <class T>
class AnswerCache {
 public:
  AnswerCache(const Clock& clock, size_t limit) : clock_(clock), limit_(limit) {}

  std::optional<T> find(const std::string& key) const {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.expires <= clock_.steady()) return std::nullopt;
    return found->second.value;
  }
  void put(const std::string& key, T value, Duration life) {
    if (life <= Duration(0)) return;
    if (entries_.size() >= limit_ && !entries_.contains(key)) makeRoom();
    entries_.insert_or_assign(key, Entry{std::move(value), clock_.steady() + life});
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    T value;
    SteadyTime expires;
  };
  void makeRoom() {
    const SteadyTime now = clock_.steady();
    std::erase_if(entries_, [&](const auto& entry) { return entry.second.expires <= now; });
    if (entries_.size() < limit_) return;
    auto first = entries_.begin();
    for (auto each = entries_.begin(); each != entries_.end(); ++each)
      if (each->second.expires < first->second.expires) first = each;
    entries_.erase(first);
  }

  const Clock& clock_;
  const size_t limit_;
  std::map<std::string, Entry> entries_;
};

}  // namespace keelson::kubelet::server
