// Log folders of pods and the links that log shippers follow.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace keelson::kubelet {

// The names under which container logs are found. A value; any thread.
//
//   <pods>/<namespace>_<pod>_<uid>/<container>/<attempt>.log            and rotated <attempt>.log.*
//   <containers>/<pod>_<namespace>_<container>-<id>.log -> the file above
class LogFiles {
 public:
  LogFiles(std::string pods, std::string containers)
      : pods_(std::move(pods)), containers_(std::move(containers)) {}

  struct Owner {
    std::string pod_namespace;
    std::string name;
    PodUid uid;
  };
  std::string containerDirectory(const Owner& owner, const std::string& container) const;
  std::string file(const Owner& owner, const std::string& container, uint32_t attempt) const;

  // May run twice.
  Result<void> ensureLink(const Owner& owner, const std::string& container, const ContainerId& id,
                          uint32_t attempt) const;
  // Files and link of one instance. Fine if absent.
  Result<void> removeInstance(const Owner& owner, const std::string& container, const ContainerId& id,
                              uint32_t attempt) const;
  // The pod's folder and every link into it, found by uid alone. Does not stop at the first error.
  ErrorList removePod(const PodUid& uid) const;
  // Links into <pods> whose file is gone.
  ErrorList removeDeadLinks() const;
  // One more than the highest attempt that left a log file; 0 if none did. The restart count survives so when
  // record and runtime state are lost.
  uint32_t nextAttempt(const Owner& owner, const std::string& container) const;

  static std::string linkName(const Owner& owner, const std::string& container, const ContainerId& id);

 private:
  std::string pods_;
  std::string containers_;
};

}  // namespace keelson::kubelet
