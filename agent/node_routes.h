// The table of paths on port 10250.
#pragma once

#include <vector>

#include "agent/health.h"
#include "agent/node_figures.h"
#include "agent/status_api.h"

namespace keelson::agent {

struct NodeRouteSettings {
  bool debugging_handlers = true;
  json::value configuration;
};

// Errors are plain text, as kubelet's: the API server shows a body as it is. All given outlive the server.
std::vector<kubelet::server::Route> nodeRoutes(const StatusDependencies& with, const Health& health,
                                               NodeFigures& figures, NodeRouteSettings settings);

}  // namespace keelson::agent
