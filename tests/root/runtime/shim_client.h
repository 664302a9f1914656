// A pod for tests of the shim: the real binary, the daemon's own client, a root file system of busybox.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/cgroup.h"
#include "kernel/mount.h"
#include "kernel/pidfd.h"
#include "runtime/shim_client.h"
#include "runtime/shim_protocol.h"
#include "tests/root/fixture.h"

namespace keelson::test {

inline constexpr auto kPatience = std::chrono::seconds(20);

// A descriptor that goes with a MountPlan.
struct TestMount {
  runtime::MountPlan plan;
  UniqueFd source;
};

// Which hierarchies the shim is told of: what hosts with only one kind would give it.
enum class Told { kAll, kUnifiedOnly, kV1Only };

// One shim with its run folder below world.scratch. Every failure of its own set-up fails the test by
// throwing, which the world's fixture reports. Its end kills the shim; the world's end removes the rest.
class ShimPod {
 public:
  explicit ShimPod(RootWorld& world, runtime::SandboxPlan plan = {}, Told told = Told::kAll);
  ~ShimPod();

  runtime::ShimClient& client() { return *client_; }
  // A second connection, which replaces the first.
  void reconnect();
  pid_t shimPid() const { return process_.pid; }
  const kernel::Pidfd& shim() const { return process_.pidfd; }
  const std::string& runFolder() const { return run_folder_; }
  const std::string& root() const { return root_; }  // host path of the containers' common root directory
  // A detached mount of a host path.
  static UniqueFd cloneOf(const std::string& path, bool recursive = false);

  // A plan that runs `script` in busybox's shell with Kubernetes' usual settings.
  static runtime::ContainerPlan planFor(const std::string& id, const std::string& script);
  // Starts it; the cgroup is made first and stays in `cgroups`.
  Result<runtime::ContainerRecord> start(const runtime::ContainerPlan& plan,
                                         std::vector<TestMount> mounts = {});
  // Starts it and waits for its end.
  runtime::ContainerRecord run(const runtime::ContainerPlan& plan, std::vector<TestMount> mounts = {});
  runtime::ContainerRecord waitExit(const std::string& id);
  std::optional<runtime::ContainerRecord> record(const std::string& id);
  void stop(const std::string& id, int signal, std::chrono::milliseconds grace);

  kernel::Cgroup& cgroup(const std::string& id);

  struct ExecOutput {
    runtime::ExecOutcome outcome;
    std::string out, err;
  };
  // Runs a command to its end.
  ExecOutput exec(const std::string& id, std::vector<std::string> args,
                  std::chrono::milliseconds timeout = {});
  struct ExecHandle {
    UniqueFd result, cancel, out, err, terminal;
  };
  Result<ExecHandle> startExec(const std::string& id, runtime::ProcessPlan process,
                               std::chrono::milliseconds timeout = {});
  static runtime::ExecOutcome readOutcome(int result);

  // The container's log: every file from the oldest rotated one to the current, as it stands on disk.
  std::string rawLog(const std::string& id) const;
  std::vector<std::string> logFiles(const std::string& id) const;
  // Only the texts, with a newline after each full line.
  std::string log(const std::string& id) const;
  // Waits until the log's texts contain `text`.
  void waitLog(const std::string& id, const std::string& text) const;

  // Processes (not the shim) whose parent is the shim, by name.
  std::vector<pid_t> childrenNamed(const std::string& name) const;

 private:
  void makeRoot();
  void spawnShim(const runtime::SandboxPlan& plan);

  RootWorld& world_;
  const Told told_;
  std::string folder_, run_folder_, root_, logs_;
  struct Process {
    kernel::Pidfd pidfd;
    pid_t pid = 0;
  } process_;
  std::optional<runtime::ShimClient> client_;
  std::vector<std::pair<std::string, kernel::Cgroup>> cgroups_;
};

// Calls `condition` until it is true or kPatience is over; fails the test then.
void waitUntil(const char* what, const std::function<bool()>& condition);

}  // namespace keelson::test
