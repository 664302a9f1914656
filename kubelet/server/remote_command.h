// exec over a WebSocket: the channel protocol of Kubernetes.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "base/unique_fd.h"
#include "kubelet/kubelet.h"
#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

// Sub-protocols v5.channel.k8s.io and v4.channel.k8s.io: each binary message starts with its channel,
// 0 stdin, 1 stdout, 2 stderr, 3 the final metav1.Status, 4 resize {"Width","Height"}; v5 adds
// 255, whose next byte names a channel that the client has closed (half-close of stdin).
// https://kubernetes.io/docs/reference/using-api/  (KEP-4006)

// Handles GET /exec/{namespace}/{pod}/{container}?command=..&input=1&output=1&error=1&tty=1: starts the
// command on `lane`, then talks on the loop. Losing the client kills the command with its children.
void handleExec(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
                Respond respond);

// Handles POST /run/{namespace}/{pod}/{container}?cmd=...: the command's output as the answer, 500 if it
// fails.
void handleRun(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
               Respond respond);

// The Status that ends an exec: Success, or Failure with NonZeroExitCode and the code as a cause.
json::value execStatus(const Result<runtime::ExecResult>& result);

}  // namespace keelson::kubelet::server
