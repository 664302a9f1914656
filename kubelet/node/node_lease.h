// The node's heartbeat: a Lease in kube-node-lease.
#pragma once

#include <functional>
#include <string>

#include "api/client/api_client.h"
#include "api/lease.h"
#include "base/backoff.h"
#include "base/executor.h"

namespace keelson::kubelet::node {

struct LeaseSettings {
  std::string node_name;
  int32_t duration_seconds = 40;  // nodeLeaseDurationSeconds
  Duration renew_every = std::chrono::seconds(10);
  double jitter = 0.04;
  int retries = 5;  // PUTs a renewal
  BackoffPolicy ensure{std::chrono::milliseconds(100), std::chrono::seconds(7), std::chrono::hours(24)};
};

// The lease that renews `base` (or is new): holder, duration, renewTime, and the Node as its owner once
// its uid is known. Pure.
api::Lease buildLease(const api::Lease* base, const LeaseSettings& settings, const std::string& node_uid,
                      WallTime now);

// Gets or makes the Lease (100 ms doubling to 7 s, for ever), then renews it every renew_every by PUT with
// its resourceVersion: at a conflict it is read again, other failures are tried again at once, `retries`
// times. Heartbeat requests only. A Lease is not made before the Node's uid is known, so that it goes with
// its Node. Home: loop.
class NodeLease {
 public:
  struct Dependencies {
    Loop& loop;
    Clock& clock;
    api::client::ApiClient& client;
    std::function<std::string()> node_uid;  // "": not known yet
    std::function<double()> random;         // evenly in [0, 1)
  };
  NodeLease(Dependencies dependencies, LeaseSettings settings);
  ~NodeLease();
  void start();
  void stop();  // the Lease stays and runs out

  struct Stats {
    uint64_t renewals = 0;
    std::optional<WallTime> renewed;
    std::string last_error;  // "" when all is well
  };
  Stats stats() const { return stats_; }

 private:
  void send(std::string method, std::string path, json::value body, api::client::ApiClient::Done done);
  void begin();
  void ensure();
  void make();
  void renew();
  void onRenewed(Result<json::value> answer);
  void ensureLater(const Error& error);
  void finish();
  Result<void> keep(Result<json::value> answer);
  void fail(const std::string& what, const Error& error);

  Dependencies dependencies_;
  LeaseSettings settings_;
  std::string folder_, path_;
  bool running_ = false;
  std::optional<api::Lease> lease_;  // as last read or written
  Backoff backoff_;
  int tries_ = 0;
  Stats stats_;
  api::client::Call call_;
  Registration timer_;
};

}  // namespace keelson::kubelet::node
