// Whether the daemon makes progress: what /healthz and systemd's watchdog are told.
#pragma once

#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kubelet/server/http.h"

namespace keelson::agent {

struct HealthLimits {
  Duration tick = std::chrono::seconds(1);          // how often the loop shows that it turns
  Duration loop_silence = std::chrono::minutes(5);  // as kubelet's syncloop check
  Duration stuck_task = std::chrono::minutes(30);   // of a strand; a large image may take long
};

// kUnavailable "syncloop: ..." for a loop that has not turned, "strand <name>: ..." for a task that does not
// end. Pure.
Result<void> planHealth(Duration since_turn, const std::vector<Strand::Stats>& strands,
                        const HealthLimits& limits);

// /healthz, /healthz/ping, /healthz/log, /healthz/syncloop, /livez and /readyz: 200 "ok" or 500 with each
// check's outcome
// ("?verbose" shows them always). The loop answers: when it hangs, nobody does, which probes read as failure.
// Home: loop.
class Health {
 public:
  Health(Loop& loop, Clock& clock, HealthLimits limits = {});

  // A further check by name, run at each question; returns at once.
  void addCheck(std::string name, std::function<Result<void>()> check);
  // ok, or the first check that fails: then the watchdog is not fed.
  Result<void> check() const;
  std::vector<kubelet::server::Route> routes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  Registration tick_;
};

}  // namespace keelson::agent
