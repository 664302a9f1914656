// What the proxy tells about itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proxy/doors.h"

namespace keelson::proxy {

// A Prometheus histogram. A plain value.
struct Histogram {
  std::vector<double> bounds;    // upper, ascending
  std::vector<uint64_t> counts;  // of each bound alone, and of what is above the last
  double sum = 0;

  explicit Histogram(std::vector<double> upper) : bounds(std::move(upper)), counts(bounds.size() + 1) {}
  void observe(double value);
  uint64_t count() const;
};
std::vector<double> syncBuckets();         // kube-proxy's: 1 ms doubled, 15 of them
std::vector<double> programmingBuckets();  // kube-proxy's: 0.25 s to 5 min

struct ProxyStats {
  uint64_t syncs = 0, full_syncs = 0, failures = 0;
  Duration last_sync{0};            // how long it took
  std::optional<WallTime> updated;  // end of the last good sync
  std::optional<WallTime> queued;   // when the last change came
  std::optional<WallTime> waiting;  // since when the oldest change that is not yet programmed waits
  size_t services = 0, slices = 0, doors = 0;
  uint64_t service_changes = 0, slice_changes = 0;  // since the start
  size_t services_pending = 0, slices_pending = 0;
  size_t no_local_internal = 0, no_local_external = 0;  // ports whose policy Local finds no endpoint here
  uint64_t forgotten_flows = 0;                         // of UDP
  uint64_t rules_written = 0, last_rules_written = 0;   // iptables
  HealthPorts health;
  Histogram sync_seconds{syncBuckets()}, full_sync_seconds{syncBuckets()},
      partial_sync_seconds{syncBuckets()}, programming_seconds{programmingBuckets()},
      flow_seconds{syncBuckets()};
  std::string last_error;             // "" when all is well
  std::vector<std::string> problems;  // of the objects
};

}  // namespace keelson::proxy
