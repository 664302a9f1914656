// The status socket's table of paths: what `keelctl` and scripts on the node can ask.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/kubelet.h"
#include "kubelet/server/container_logs.h"
#include "kubelet/server/http.h"

namespace keelson::agent {

// What the handlers use; all outlive the server.
struct StatusDependencies {
  Loop& loop;
  Lane& lane;    // encodes, reads logs, starts execs
  Lane& images;  // pulls and imports
  Clock& clock;
  kubelet::Kubelet& kubelet;
  runtime::Runtime& runtime;
  runtime::ImageService& images_service;
  cni::PodNetwork& network;
  kubelet::server::LogWatcher& log_watcher;
  Stop stop;  // cancelled when the daemon stops: pulls and imports end then
};

std::vector<kubelet::server::Route> statusRoutes(const StatusDependencies& dependencies);

// GET /containerLogs/{namespace}/{pod}/{container}, the same for keelctl and for the API server. Loop.
void handleLogs(const StatusDependencies& dependencies, kubelet::server::Call call,
                kubelet::server::Respond respond);

}  // namespace keelson::agent
