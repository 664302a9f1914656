// Objects and their changes, as etcd keeps them for an API server.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace keelson::fakes {

using Object = std::shared_ptr<const json::object>;
using Objects = std::map<std::string, Object, std::less<>>;  // by "namespace/name", or "name"

struct StoreEvent {
  uint64_t version = 0;
  std::string collection;  // "pods", "leases.coordination.k8s.io"
  std::string key;
  Object was, now;  // was: null when created; now: null when deleted (`last` has then the deletion's version)
  Object last;
};

// One version counter over all collections, and the last `history` changes. Knows nothing of kinds. One
// thread.
class ObjectStore {
 public:
  explicit ObjectStore(size_t history = 10000) : limit_(history) {}

  uint64_t version() const { return version_; }
  Object get(const std::string& collection, std::string_view key) const;
  const Objects& all(const std::string& collection) const;
  // Creates or replaces; metadata.resourceVersion is set.
  Object put(const std::string& collection, const std::string& key, json::object value);
  // The object as it was, with the version of its deletion; null if absent.
  Object remove(const std::string& collection, const std::string& key);

  // The changes after `version`, oldest first; nullopt if some of them are forgotten.
  std::optional<std::deque<StoreEvent>::const_iterator> after(uint64_t version) const;
  std::deque<StoreEvent>::const_iterator end() const { return events_.end(); }
  // The collection as it was at `version`; nullopt if that is forgotten.
  std::optional<Objects> snapshot(const std::string& collection, uint64_t version) const;
  // Forgets all history: whoever resumes from before gets 410.
  void compact();
  // All objects with the version, and back: a server that starts again. History is not part of it.
  json::object save() const;
  void restore(const json::object& saved);
  // Versions jump, as a busy cluster's do.
  void skipVersions(uint64_t count) { version_ += count; }

  // Runs after each change; the number ends it.
  uint64_t listen(std::function<void()> listener);
  void unlisten(uint64_t listener) { listeners_.erase(listener); }

 private:
  void record(StoreEvent event);
  void tell();

  size_t limit_;
  uint64_t version_ = 1, forgotten_ = 0, next_listener_ = 1;
  std::map<std::string, Objects, std::less<>> collections_;
  std::deque<StoreEvent> events_;
  std::map<uint64_t, std::function<void()>> listeners_;
};

}  // namespace keelson::fakes
