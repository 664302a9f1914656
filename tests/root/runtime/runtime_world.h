// A node's runtime for tests: NativeRuntime over the real shim, below one test's world.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/guarded.h"
#include "runtime/native_runtime.h"
#include "tests/fakes/fake_images.h"
#include "tests/root/fixture.h"
#include "tests/root/machine_snapshot.h"

namespace keelson::test {

// One life of the daemon: a loop on its own thread and a NativeRuntime on folders of the world. Several lives
// may follow each other in one world. A failure of the set-up throws, which the fixture reports.
class RuntimeLife {
 public:
  explicit RuntimeLife(RootWorld& world);
  ~RuntimeLife();

  runtime::NativeRuntime& runtime() { return *runtime_; }
  Loop& loop() { return loop_; }
  const std::shared_ptr<const UniqueFd>& shim() const { return shim_; }
  fakes::FakeImages& images() { return images_; }
  const runtime::CgroupOptions& cgroups() const { return cgroups_; }

  runtime::SandboxRequest sandbox(const std::string& uid) const;
  // A container that runs `script` in busybox's shell. Ids are 64 times the letter.
  runtime::ContainerRequest container(const std::string& uid, char id, const std::string& script);

  runtime::ObservedPod status(const std::string& uid);
  // The container once `condition` holds for it; throws after a while.
  runtime::ObservedContainer waitFor(const std::string& uid, char id,
                                     const std::function<bool(const runtime::ObservedContainer&)>& condition);
  runtime::ObservedContainer waitExit(const std::string& uid, char id);
  // How often the listener heard of the pod.
  size_t told(const std::string& uid) const;
  // Runs a command to its end; its output goes to `output`.
  runtime::ExecResult exec(const std::string& uid, char id, std::vector<std::string> command,
                           std::string* output);

  // What counts for "nothing is left behind".
  MachineSnapshot snapshot();
  std::string log(const std::string& uid, char id) const;

  static ContainerId idOf(char letter) { return ContainerId(std::string(64, letter)); }

 private:
  void makeBusyboxLayer();

  RootWorld& world_;
  runtime::CgroupOptions cgroups_;
  std::shared_ptr<const UniqueFd> shim_;
  fakes::FakeImages images_;
  Loop loop_;
  Guarded<std::vector<PodUid>> told_;
  std::unique_ptr<runtime::NativeRuntime> runtime_;
  std::thread thread_;
};

// Looks again and again until `condition` holds; false when patience is over.
bool eventually(const std::function<bool()>& condition);

inline Stop patience() { return Stop(std::chrono::seconds(20)); }

}  // namespace keelson::test
