// A collection of the API server, listed once and then followed for ever.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "api/codec.h"
#include "base/backoff.h"
#include "base/executor.h"

namespace keelson::api::client {

// What to follow.
struct Collection {
  std::string path;            // "/api/v1/pods", "/api/v1/namespaces/default/configmaps"
  std::string field_selector;  // "spec.nodeName=node1"
  std::string label_selector;
};

// How to follow it. Times are jittered; defaults are those of client-go's reflector.
struct FollowSettings {
  int64_t page = 500;                            // objects a list request
  Duration watch_min = std::chrono::minutes(5);  // timeoutSeconds is drawn from [min, 2 min)
  Duration idle = std::chrono::minutes(2);       // a watch without events or bookmarks for so long is stalled
  BackoffPolicy backoff{std::chrono::milliseconds(800), std::chrono::seconds(30), std::chrono::minutes(2)};
  // When watches do not get through (a proxy that buffers): lists this often instead. 0: never give up
  // watching.
  Duration poll_interval{0};
};

struct FollowStats {
  bool synced = false;  // the first list is complete
  bool polling = false;
  std::string resource_version;
  std::string last_error;  // "" when all is well
  uint64_t lists = 0, watches = 0, events = 0;
};

// One object's change: `was` is null for a new one, `now` for one that is gone (`was` then is its last known
// state).
template <class T>
struct Change {
  std::shared_ptr<const T> was, now;
};

// Follows a collection of Ts (any kind with decode<T>): list in pages, watch with bookmarks, resume by
// resourceVersion, list anew after 410. Decoding happens on `decoder`, a strand of a lane, so that a large
// list does not hold the loop. The listener runs on the loop: first with the whole first list (also an empty
// one), then with each batch of differences; a re-list tells differences only. Older resourceVersions and
// repeated events change nothing. An object that cannot be decoded keeps its last good value and is told in
// stats().last_error. An object under an old name with a new uid is two changes: gone, and come. objects()
// has the changes already when the listener runs; the listener may destroy the informer. Instantiated for
// Pod, Node, Service, ConfigMap, Secret, RuntimeClass and EndpointSlice. Home: loop.
template <class T>
class Informer {
 public:
  using Key = std::string;  // "namespace/name", or "name" of a cluster-scoped object
  using Objects = std::map<Key, std::shared_ptr<const T>>;
  using Listener = std::function<void(const std::vector<Change<T>>&)>;

  Informer(Loop& loop, Lane& lane, ApiClient& client, Collection collection, FollowSettings settings = {});
  ~Informer();
  void start(Listener listener);
  void stop();  // ends calls and callbacks

  bool synced() const;
  const Objects& objects() const;
  FollowStats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::api::client
