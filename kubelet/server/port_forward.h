// Connections into a pod's network namespace, asked for with kubectl port-forward.
#pragma once

#include "base/executor.h"
#include "kubelet/kubelet.h"
#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

// Handles GET and POST /portForward/{namespace}/{pod}[/{uid}]: SPDY/3.1 with protocol portforward.k8s.io, or
// the same frames in messages of a WebSocket (SPDY/3.1+portforward.k8s.io). Each connection is a pair of
// streams, data and error, with the headers port and requestID; it goes to localhost in the pod's network
// namespace, IPv4 first. A target that fails ends its pair alone, with a sentence on its error stream. A
// target that reads nothing holds up its neighbours of the same session once kMaxQueued wait, as SPDY here
// has no windows. Namespaces are opened on `lane`.
void handlePortForward(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
                       Respond respond);

}  // namespace keelson::kubelet::server
