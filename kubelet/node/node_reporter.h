// Keeps the Node object of this machine true.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/node/node_events.h"
#include "kubelet/node/node_input.h"
#include "kubelet/node/node_watch.h"

namespace keelson::kubelet::node {

struct ReporterSettings {
  bool register_node = true;
  // A Node that was deleted while we run comes back, cordoned and tainted as it was (README: why).
  bool register_again = true;
  Duration update_frequency = std::chrono::seconds(10);  // nodeStatusUpdateFrequency
  Duration report_frequency = std::chrono::minutes(5);   // nodeStatusReportFrequency
  double jitter = 0.04;
  int retries = 5;  // requests a round
  BackoffPolicy registration{std::chrono::milliseconds(100), std::chrono::seconds(7), std::chrono::hours(24)};
  // After the start: readiness is looked at this often, for so long, until the node is Ready.
  Duration start_check = std::chrono::milliseconds(100), start_checks_end = std::chrono::minutes(2);
  // A Node that was Ready before a restart is not told otherwise for so long: the daemon is coming up.
  Duration restart_grace = std::chrono::seconds(15);
};

// The state of the moment, asked on the loop; each answers at once. All but readiness may be absent.
struct NodeSources {
  std::function<Readiness()> readiness;
  std::function<NodePressure()> pressure;
  std::function<std::vector<std::shared_ptr<const runtime::Image>>()> images;
  std::function<std::vector<std::string>()> volumes_in_use;
};

// Who wants to know of the Node. Called on the loop, only on changes.
struct NodeListener {
  std::function<void(const std::vector<std::string>&)> on_pod_cidrs;  // spec.podCIDRs; never empty
  std::function<void(const api::Node&)> on_node;                      // labels, annotations or spec
  NodeEventSink on_event;
};

// All outlive the reporter.
struct ReporterDependencies {
  Loop& loop;
  Clock& clock;
  api::client::ApiClient& client;
  NodeWatch& watch;
  std::function<double()> random;  // evenly in [0, 1)
};

// Registers the node (100 ms doubling to 7 s, for ever), then reports its status: looked at every
// update_frequency and at each poke(), sent when something changed or report_frequency is over. One
// request at a time; a round that fails is tried again from a fresh read, `retries` times. The newest of what
// the watch and the answers tell is the base of the next patch. Home: loop; owned by the wiring.
class NodeReporter {
 public:
  // `base` has settings, facts and addresses; the rest comes from `sources` each time.
  NodeReporter(ReporterDependencies dependencies, ReporterSettings settings, NodeInput base,
               NodeSources sources, NodeListener listener);
  ~NodeReporter();
  void start();
  void stop();  // ends calls, timers and callbacks; the Node stays

  // Readiness, pressure or volumes in use may have changed: look at once.
  void poke();
  // The machine changed (memory, huge pages, addresses): reported at once.
  void setMachine(MachineFacts facts, std::vector<IpAddress> addresses);

  // As last seen; null before the first answer. Any holder may keep it.
  std::shared_ptr<const api::Node> node() const { return node_; }
  struct Stats {
    bool registered = false;
    uint64_t patches = 0;
    std::string last_error;  // "" when all is well
  };
  Stats stats() const { return stats_; }

 private:
  using NodePtr = std::shared_ptr<const api::Node>;
  enum class From { kWatch, kAnswer };

  NodeInput input() const;
  void send(std::string method, std::string path, json::value body, api::client::ApiClient::Done done);
  // The Node of an answer, or the error; adopts it.
  Result<NodePtr> answered(Result<json::value> answer);
  void adopt(NodePtr node, From from);
  void onWatched(NodePtr node);
  void onGone();
  void fail(const std::string& what, const Error& error);

  void tryRegister();
  void readExisting();
  void correctExisting();
  void registerLater(const std::string& what, const Error& error);
  void registered();

  void scheduleTick();
  void beginRound();
  void attempt();
  void report();
  bool isDue() const;
  bool isComingUp(const NodeInput& now);
  void onReported(bool changed);
  void tellEvents();
  void retry(const std::string& what, const Error& error);
  void endRound();
  void startCheck();

  ReporterDependencies dependencies_;
  ReporterSettings settings_;
  NodeInput base_;
  NodeSources sources_;
  NodeListener listener_;
  std::string path_;  // of the Node

  bool running_ = false;
  NodePtr node_;
  NodePtr lost_;                     // the Node that was deleted under us
  bool watched_ = false;             // the watch told it, so the watch will tell when it goes
  SteadyTime ignore_older_until_{};  // the watch may still tell what was before our last answer
  std::vector<std::string> pod_cidrs_;
  Stats stats_;
  Backoff backoff_;
  bool in_round_ = false, again_ = false, was_ready_ = false;
  int tries_ = 0;
  std::vector<NodeEvent> untold_;  // of this round: told when its PATCH is known to have arrived
  SteadyTime started_{};
  std::optional<SteadyTime> reported_;
  Duration report_shift_{0};
  api::client::Call call_;
  Registration tick_, retry_, start_check_;
};

}  // namespace keelson::kubelet::node
