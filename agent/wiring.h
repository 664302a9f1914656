// The one place that knows every concrete class.
#pragma once

#include <memory>

#include "agent/config.h"
#include "base/executor.h"
#include "base/result.h"

namespace keelson::agent {

// Builds the node from its configuration and owns all of it. Home: loop.
class Agent {
 public:
  // Makes folders, takes the lock of the run folder (kAlreadyExists: another keelson runs), probes the
  // kernel.
  static Result<std::unique_ptr<Agent>> create(Loop& loop, const Config& config, const Flags& flags);
  ~Agent();

  // Cleans up after an earlier life, adopts what runs, opens the status socket, starts the kubelet.
  Result<void> start();
  // Sources closed, strands refuse, lanes joined. Pods run on.
  void stop();
  // Whether it makes progress: systemd's watchdog is fed while it does.
  Result<void> health() const;

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::agent
