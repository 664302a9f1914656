// What a container left to say at its end.
#pragma once

#include <string>

#include "base/fs.h"
#include "base/result.h"

namespace keelson::kubelet {

inline constexpr size_t kMaxTerminationMessage = 4096;
inline constexpr size_t kMaxPodTerminationMessages = 12 << 10;  // of all containers of a pod together
inline constexpr size_t kMaxMessageFromLogs = 2048;
inline constexpr size_t kMaxMessageLogLines = 80;

struct TerminationSources {
  const DirFd& pod;                // pods/UID
  std::string file;                // below it; may be missing
  std::string log_file;            // host path of the instance's log
  bool fall_back_to_logs = false;  // policy FallbackToLogsOnError and the exit was an error
};

// The last bytes of the file, or, if it is empty, of the log. Bounded reads; clean UTF-8; what cannot be read
// is told in the message itself, as kubelet does.
// https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
std::string readTerminationMessage(const TerminationSources& sources);

// The text of the last lines of a CRI log, without their time and stream. Pure.
std::string messageFromLog(std::string_view log);

}  // namespace keelson::kubelet
