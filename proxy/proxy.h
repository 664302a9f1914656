// The proxy of this node: follows services and endpoints, keeps the kernel's rules equal to them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/guarded.h"
#include "proxy/nft_backend.h"

namespace keelson::proxy {

struct ProxySettings {
  NftSettings nft;
  std::vector<IpFamily> families{IpFamily::kV4};
  // Between the end of a sync and the next one's start; what changes meanwhile is taken together.
  Duration min_sync_period = std::chrono::milliseconds(10);
  Duration sync_time = std::chrono::seconds(30);  // deadline of one sync
  BackoffPolicy retry{std::chrono::seconds(1), std::chrono::seconds(30), std::chrono::minutes(5)};
};

struct ProxyStats {
  uint64_t syncs = 0, failures = 0;
  Duration last_sync{0};  // how long it took
  size_t services = 0, slices = 0, doors = 0;
  std::string last_error;             // "" when all is well
  std::vector<std::string> problems;  // of the objects
};

// Nothing is programmed before services and endpoints are both known for the first time: rules of an earlier
// life serve until then. Home: loop; the work is done on a strand of `lane`, which should be its own.
class Proxy {
 public:
  Proxy(Loop& loop, Lane& lane, Clock& clock, ProxySettings settings);
  ~Proxy();

  // Hears of foreign changes of the ruleset; they are repaired at once.
  Result<void> start();
  void stop();

  // The whole of each, whenever something changed.
  void setServices(std::vector<ServicePtr> services);
  void setSlices(std::vector<SlicePtr> slices);
  void setNode(NodeFacts node);

  // The doors as programmed by the last sync. Any thread.
  std::shared_ptr<const Doors> doors() const;
  ProxyStats stats() const;
  // After each sync, on the loop.
  void onSynced(std::function<void(const ProxyStats&)> listener);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::proxy
