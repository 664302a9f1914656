// The daemon's end of the connection with one pod's shim.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "kernel/pidfd.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime {

// shim.pid of a run folder: which process the shim is, or was.
struct ShimIdentity {
  kernel::ProcessIdentity process;
  std::string boot_id;
};
// kNotFound without the file, kDataLoss when it is not one line of that form.
Result<ShimIdentity> readShimIdentity(const DirFd& run_folder);

// One connection: requests go out and answers come back one at a time, each within its Stop. A
// connection on which a message was lost, late or wrong is broken() for good: whoever owns it makes a new
// one, which replaces this at the shim. What the shim says is checked, since a container that breaks out may
// speak for it. Not for several threads at a time. Dropping it does not touch the shim.
class ShimClient {
 public:
  // Connects through the folder's descriptor (a path of any length fits), says Hello. kNotFound when the shim
  // is gone: its process has ended or nobody listens.
  static Result<ShimClient> connect(const DirFd& run_folder, Stop& stop);

  bool broken() const { return !socket_.valid(); }
  const std::shared_ptr<const UniqueFd>& changed() const { return changed_; }  // eventfd
  const std::shared_ptr<const UniqueFd>& process() const { return process_; }  // pidfd
  int netns() const { return netns_.get(); }
  bool hasEnded() const;

  Result<State> getState(Stop& stop);
  // Sends the descriptors in as many messages as it takes; returns the first of their consecutive tokens.
  Result<uint32_t> putDescriptors(const std::vector<int>& descriptors, Stop& stop);
  Result<DirFd> ensureTmpfs(const EnsureTmpfs& request, Stop& stop);
  Result<ContainerRecord> startContainer(const StartContainer& request, const std::vector<int>& descriptors,
                                         Stop& stop);
  Result<void> stopContainer(const StopContainer& request, Stop& stop);
  Result<void> removeContainer(const ContainerId& id, Stop& stop);
  // The pseudo-terminal's master with process.tty, else an invalid descriptor.
  Result<UniqueFd> exec(const Exec& request, const std::vector<int>& descriptors, Stop& stop);
  Result<void> shutdown(Stop& stop);

 private:
  struct Answer {
    bool failed = false;  // `body` is a WireError
    std::string body;
    std::vector<UniqueFd> descriptors;
  };
  ShimClient() = default;
  void breakUp();
  Result<void> hello(Stop& stop);
  Result<Answer> call(MessageKind kind, const std::string& body, const std::vector<int>& descriptors,
                      MessageKind expected, size_t expected_descriptors, Stop& stop);
  Result<Answer> exchange(MessageKind kind, const std::string& body, const std::vector<int>& descriptors,
                          MessageKind expected, size_t expected_descriptors, Stop& stop);

  UniqueFd socket_;
  UniqueFd netns_;
  std::shared_ptr<const UniqueFd> changed_;
  std::shared_ptr<const UniqueFd> process_;
  uint32_t serial_ = 0;
  uint32_t next_token_ = 1;
};

}  // namespace keelson::runtime
