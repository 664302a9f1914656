#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <csignal>
#include <map>

#include "base/guarded.h"
#include "base/undo.h"
#include "kernel/process.h"
#include "runtime/host_path.h"
#include "runtime/loop_watch.h"
#include "runtime/packet.h"
#include "runtime/shim_links.h"
#include "runtime/wire.h"

namespace keelson::runtime {
namespace {

constexpr Duration kOpenTimeout = std::chrono::seconds(10);
// A helper that has answered only has to exit.
constexpr Duration kExitTimeout = std::chrono::seconds(1);
// How many killed helpers have not ended, by path: one dead path that is tried again and again must not use
// up what all paths share.
using HungByPath = std::map<std::string, int>;

// A process a call. One that does not end in time is killed and left to the loop: in D state it ends when its
// file server comes back, and counts as hung until then. Any thread.
class HelperHostPaths : public HostPaths {
 public:
  HelperHostPaths(Loop& loop, std::shared_ptr<const UniqueFd> shim) : shim_(std::move(shim)), watch_(loop) {}

  Result<OpenedHostPath> open(const HostPathRequest& request, Stop& stop) override {
    if (request.path.empty() || request.path[0] != '/') {
      return makeError(Code::kInvalidArgument, "host path \"{}\" is not absolute", request.path);
    }
    TRY(stop.check("host path " + request.path));
    if (hung_->with([&](const HungByPath& hung) {
          const auto found = hung.find(request.path);
          return found != hung.end() && found->second >= kMaxHungHelpersOfPath;
        })) {
      return makeError(Code::kResourceExhausted,
                       "host path {}: {} earlier calls for it still hang: does its file server answer?",
                       request.path, kMaxHungHelpersOfPath);
    }
    if (helpers_->fetch_add(1) >= kMaxHungHelpers) {
      helpers_->fetch_sub(1);
      return makeError(Code::kResourceExhausted,
                       "host path {}: {} earlier calls into file systems still hang", request.path,
                       kMaxHungHelpers);
    }
    return ask(request, stop);
  }

 private:
  Result<OpenedHostPath> ask(const HostPathRequest& request, Stop& stop) {
    Undo count;  // until a process stands for it
    count.push([helpers = helpers_] { helpers->fetch_sub(1); });
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return sysError("socket pair");
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    kernel::SpawnRequest spawn;
    spawn.executable = shim_->get();
    spawn.args = {"keelson-shim", kHostPathCommand};
    spawn.descriptors = {theirs.get()};
    auto helper = TRY_CTX(kernel::spawn(spawn), "host path {}: start the helper", request.path);
    theirs.reset();
    count.commit();
    Undo process;
    process.push([&] { release(std::move(helper.pidfd), request.path); });

    Stop bounded = stop.within(kOpenTimeout);
    const HostPathWire wire{request.path, request.type, request.sub_path, request.recursive,
                            request.propagation};
    TRY_CTX(sendPacket(ours.get(), encodeWire(wire), {}, bounded), "host path {}", request.path);
    Packet packet = TRY_CTX(receivePacket(ours.get(), bounded), "host path {}", request.path);
    auto answer = TRY(decodeWire<HostPathAnswer>(packet.bytes));
    if (!answer.ok) return fromWireError(std::move(answer.error));  // it names the path itself
    if (packet.descriptors.size() != 1)
      return makeError(Code::kDataLoss, "host path {}: no mount came", request.path);
    return OpenedHostPath{std::move(packet.descriptors[0]), answer.is_directory};
  }

  // The helper has answered or never will. Waits shortly, then leaves it to the loop.
  void release(kernel::Pidfd process, const std::string& path) {
    if (!process.waitEnd(kExitTimeout)) (void)process.signal(SIGKILL);
    if (process.hasEnded()) {
      reap(process.get());
      helpers_->fetch_sub(1);
      return;
    }
    hung_->with([&](HungByPath& hung) { ++hung[path]; });
    const int copy = ::fcntl(process.get(), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return;  // counts as hung for good; the process is reaped with this daemon
    const auto held = std::make_shared<const UniqueFd>(copy);
    watch_.addOnce(held, [held, path, helpers = helpers_, hung = hung_] {
      reap(held->get());
      helpers->fetch_sub(1);
      hung->with([&](HungByPath& counts) {
        if (--counts[path] == 0) counts.erase(path);
      });
    });
  }

  const std::shared_ptr<const UniqueFd> shim_;
  const std::shared_ptr<std::atomic<int>> helpers_ = std::make_shared<std::atomic<int>>(0);
  const std::shared_ptr<Guarded<HungByPath>> hung_ = std::make_shared<Guarded<HungByPath>>();
  LoopWatch watch_;
};

}  // namespace

std::unique_ptr<HostPaths> makeHostPaths(Loop& loop, std::shared_ptr<const UniqueFd> shim) {
  return std::make_unique<HelperHostPaths>(loop, std::move(shim));
}

}  // namespace keelson::runtime
