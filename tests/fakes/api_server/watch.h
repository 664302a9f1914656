// A watch of one collection.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "tests/fakes/api_server/answer.h"
#include "tests/fakes/api_server/object_store.h"
#include "tests/fakes/api_server/resources.h"
#include "tests/fakes/api_server/selectors.h"

namespace keelson::fakes {

// What a hostile network or server does to the events of watches; each number counts down.
struct WatchFaults {
  int drop = 0;       // so many events are lost
  int duplicate = 0;  // so many are told twice
  int reorder = 0;    // so many times an event changes places with the one after it
};

struct WatchOptions {
  const ResourceType* type = nullptr;
  Filter filter;
  std::optional<uint64_t> from;  // nullopt: begin with all objects that are there
  bool bookmarks = false;
  bool initial_events_end = false;  // sendInitialEvents: a bookmark says when the first objects are complete
  bool table = false;
  std::optional<Duration> timeout;  // timeoutSeconds
};

// Reads events from the store as its owner takes them; each watch keeps its own place, so a slow one holds
// nobody up and is ended with 410 when history has moved past it. Owned by a connection; ends before the
// store. One thread.
class Watch {
 public:
  Watch(ObjectStore& store, WatchFaults& faults, WatchOptions options);
  // JSON frames, one a line, of what happened since the last take(), about `limit` bytes at most. Empty:
  // nothing.
  std::string take(size_t limit = size_t{1} << 20);
  // One BOOKMARK frame if the client wants such and everything was taken, else "".
  std::string bookmark();
  // After an ERROR frame: nothing follows.
  bool ended() const { return ended_; }
  const WatchOptions& options() const { return options_; }

 private:
  std::string frame(std::string_view type, const json::object& object);
  std::string bookmarkFrame(uint64_t version, bool initial_end);
  std::string initial();
  std::string render(const StoreEvent& event);
  std::string disturbed(std::string frame);

  ObjectStore& store_;
  WatchFaults& faults_;
  WatchOptions options_;
  uint64_t at_ = 0;
  bool begun_ = false, ended_ = false, columns_told_ = false;
  std::string held_;
};

// An object as this API group shows it: events.k8s.io and core v1 share what is kept.
json::object shown(const json::object& object, const ResourceType& type);
// The reverse: as it is kept.
json::object kept(json::object object, const ResourceType& type);

}  // namespace keelson::fakes
