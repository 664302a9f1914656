// Runs the probes of all containers of this node.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/ids.h"
#include "probes/network_probes.h"
#include "probes/probe_state.h"

namespace keelson::probes {

// One running instance of a container that has probes.
struct Subject {
  ContainerId id;
  api::PodPtr pod;
  std::string container;  // its name in the pod's spec
  std::string address;    // of the pod; the node's for a pod on the host's network
  WallTime started_at;
  bool terminating = false;  // the pod is being deleted: only readiness is looked at
  bool adopted = false;      // it ran before this daemon did: its first look is spread over a period
  std::optional<bool> ready, started;  // what an earlier life saw
};

// A result that counts: a threshold was reached.
struct Finding {
  PodUid uid;
  ContainerId id;
  std::string container;
  Kind kind = Kind::kReadiness;
  bool success = false;
};

// How a command is run in a container. Home: loop.
class ExecProbes {
 public:
  virtual ~ExecProbes() = default;
  // kSuccess for exit code 0, kFailure with the output for another or after `timeout` (the command and its
  // children are killed then), kError if it could not be run. The output is cut at kMaxOutput.
  virtual AttemptPtr start(const PodUid& uid, const ContainerId& id, const std::vector<std::string>& command,
                           Duration timeout, Done done) = 0;
};

// Who is told. Called on the loop; must not call the prober back from inside.
class ProbeListener {
 public:
  virtual ~ProbeListener() = default;
  virtual void onFinding(const Finding& finding) = 0;
  // "Unhealthy", "ProbeWarning", with the words of Kubernetes. Always a Warning.
  virtual void onEvent(const PodUid& uid, const std::string& container, const std::string& reason,
                       const std::string& message) = 0;
};

// Level-triggered: told which instances run, it looks after exactly those. Startup goes first; liveness and
// readiness begin at once when it has succeeded. A failed startup or liveness probe rests until there is a
// new instance. One attempt at a time for each probe. Home: loop. The three given outlive it.
class Prober {
 public:
  Prober(const Effects& effects, ExecProbes& exec, ProbeListener& listener);
  ~Prober();

  // All instances of this pod that run and have probes. An instance that stays keeps its state.
  void setSubjects(const PodUid& uid, std::vector<Subject> subjects);

  void stop();  // looks at nothing any more

  struct Stats {
    size_t probes = 0;
    uint64_t successes = 0, failures = 0, errors = 0;
  };
  Stats stats() const;

 private:
  class Worker;
  friend class Worker;
  // What the workers of one instance share.
  struct Instance {
    Subject subject;
    bool started = true;  // false: its startup probe has not succeeded yet
    std::map<Kind, std::unique_ptr<Worker>> workers;
  };
  using Instances = std::map<ContainerId, std::unique_ptr<Instance>>;

  std::unique_ptr<Instance> watch(const PodUid& uid, Subject subject);
  void onStarted(Instance& instance);

  const Effects effects_;
  ExecProbes& exec_;
  ProbeListener& listener_;
  std::map<PodUid, Instances> pods_;
  Stats stats_;
};

}  // namespace keelson::probes
