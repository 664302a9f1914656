// `keelctl exec`: a command in a container, with this terminal.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::keelctl {

struct ExecOptions {
  std::string socket_path;
  std::string pod_namespace, pod, container;
  std::vector<std::string> command;
  bool stdin = false;
  bool tty = false;
};

// Runs it to its end and returns its exit code. With tty the local terminal is raw meanwhile and its
// size follows. Blocks.
Result<int> runExec(const ExecOptions& options);

}  // namespace keelson::keelctl
