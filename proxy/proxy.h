// The proxy of this node: follows services and endpoints, keeps the kernel's rules equal to them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/executor.h"
#include "proxy/data_plane.h"
#include "proxy/door_map.h"
#include "proxy/stats.h"

namespace keelson::proxy {

struct ProxySettings {
  // Between the end of a sync and the next one's start; what changes meanwhile is taken together.
  Duration min_sync_period = std::chrono::milliseconds(10);
  Duration sync_time = std::chrono::seconds(30);  // deadline of one sync
  // kube-proxy's syncPeriod: how often DataPlane::intact() is asked.
  Duration check_period = std::chrono::seconds(30);
  // Now and then everything is compared with the kernel, whether changes were heard of or not.
  Duration full_sync_period = std::chrono::hours(1);
  // nftables: foreign changes are heard at once.
  bool watch_nftables = true;
  BackoffPolicy retry{std::chrono::seconds(1), std::chrono::seconds(30), std::chrono::minutes(5)};
};

// Nothing is programmed before services and endpoints were both given whole once: rules of an earlier life
// serve until then. Home: loop; the work is done on a strand of `lane`, which should be its own.
class Proxy {
 public:
  Proxy(Loop& loop, Lane& lane, Clock& clock, ProxySettings settings, std::unique_ptr<DataPlane> plane);
  ~Proxy();

  // Hears of foreign changes of the ruleset; they are repaired at once.
  Result<void> start();
  void stop();

  // The whole of each: at the start, and whenever that is what the caller has.
  void setServices(std::vector<ServicePtr> services);
  void setSlices(std::vector<SlicePtr> slices);
  // One of them, by "namespace/name"; nullptr: it is gone.
  void setService(const std::string& name, ServicePtr service);
  void setSlice(const std::string& name, SlicePtr slice);
  void setNode(NodeFacts node);

  // The doors as programmed by the last sync. A copy. Any thread.
  std::shared_ptr<const Doors> doors() const;
  ProxyStats stats() const;  // any thread
  // After each sync, on the loop.
  void onSynced(std::function<void(const ProxyStats&)> listener);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::proxy
