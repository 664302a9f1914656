#include "tests/root/runtime/runtime_world.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>

#include "runtime/shim_image.h"
#include "tests/paths.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;

constexpr char kImage[] = "busybox";
constexpr const char* kApplets[] = {"sh",   "cat", "echo", "sleep", "id",   "ls",  "touch",
                                    "true", "pwd", "env",  "test",  "kill", "stat"};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return std::move(result).value();
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  constexpr int kLookAgainMs = 2;
  const Stop stop = patience();
  while (!condition()) {
    if (stop.expired()) return false;
    ::poll(nullptr, 0, kLookAgainMs);
  }
  return true;
}

RuntimeLife::RuntimeLife(RootWorld& world) : world_(world) {
  cgroups_.root = world.cgroup;
  makeBusyboxLayer();
  images_.putLocal(kImage, {}, {world.scratch + "/layer"});
  shim_ = must(runtime::sealShim(buildPath("runtime/keelson-shim")));
  runtime::NativeRuntimeOptions options;
  options.run_dir = world.scratch + "/run";
  options.state_dir = world.scratch + "/state";
  options.cgroups = cgroups_;
  options.hierarchies = world.hierarchies;
  options.shim = shim_;
  runtime_ = must(runtime::NativeRuntime::open(options, loop_, images_));
  runtime_->setListener([this](const PodUid& uid) { told_.with([&](auto& told) { told.push_back(uid); }); });
  thread_ = std::thread([this] { loop_.run(); });
}

RuntimeLife::~RuntimeLife() {
  loop_.stop();
  thread_.join();
}

void RuntimeLife::makeBusyboxLayer() {
  const std::string layer = world_.scratch + "/layer";
  if (fs::exists(layer)) return;
  for (const char* dir : {"/bin", "/etc", "/tmp", "/seed/sub"}) fs::create_directories(layer + dir);
  fs::copy_file("/bin/busybox", layer + "/bin/busybox");
  for (const char* applet : kApplets) fs::create_symlink("busybox", layer + "/bin/" + applet);
  std::ofstream(layer + "/etc/passwd") << "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/var/www:/bin/sh\n";
  std::ofstream(layer + "/etc/group") << "root:x:0:\nadm:x:4:www\n";
  std::ofstream(layer + "/seed/sub/file") << "from the image";
}

runtime::SandboxRequest RuntimeLife::sandbox(const std::string& uid) const {
  runtime::SandboxRequest request;
  request.plan.uid = uid;
  request.plan.pod_namespace = "default";
  request.plan.pod_name = "pod-" + uid;
  request.plan.hostname = "pod-" + uid;
  request.cgroup.path = runtime::podCgroupPath(cgroups_, PodUid(uid), runtime::QosClass::kBurstable);
  request.cgroup.cpu_shares = 512;
  return request;
}

runtime::ContainerRequest RuntimeLife::container(const std::string& uid, char id, const std::string& script) {
  runtime::ContainerRequest request;
  request.plan.id = std::string(64, id);
  request.plan.name = std::string(1, id);
  request.plan.process.args = {"/bin/sh", "-c", script};
  request.plan.process.env = {"PATH=/bin"};
  request.plan.process.capabilities = 0x00000000a80425fb;
  request.plan.log_name = "0.log";
  request.cgroup.path =
      runtime::podCgroupPath(cgroups_, PodUid(uid), runtime::QosClass::kBurstable) + "/" + request.plan.id;
  request.image = must(images_.find(kImage));
  request.log_directory = world_.scratch + "/logs/" + uid + "/" + request.plan.name;
  return request;
}

runtime::ObservedPod RuntimeLife::status(const std::string& uid) {
  Stop stop = patience();
  return must(runtime_->status(PodUid(uid), stop));
}

runtime::ObservedContainer RuntimeLife::waitFor(
    const std::string& uid, char id,
    const std::function<bool(const runtime::ObservedContainer&)>& condition) {
  std::optional<runtime::ObservedContainer> found;
  const bool held = eventually([&] {
    for (const auto& container : status(uid).containers) {
      if (container.id == idOf(id) && condition(container)) found = container;
    }
    return found.has_value();
  });
  if (!held) throw std::runtime_error(std::string("container ") + id + " never came to the state waited for");
  return *found;
}

runtime::ObservedContainer RuntimeLife::waitExit(const std::string& uid, char id) {
  return waitFor(uid, id, [](const auto& container) { return !container.running; });
}

size_t RuntimeLife::told(const std::string& uid) const {
  return told_.with([&](const auto& told) {
    return static_cast<size_t>(std::count(told.begin(), told.end(), PodUid(uid)));
  });
}

runtime::ExecResult RuntimeLife::exec(const std::string& uid, char id, std::vector<std::string> command,
                                      std::string* output) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  const UniqueFd read_end(ends[0]);
  runtime::ExecRequest request;
  request.command = std::move(command);
  request.stdout_fd = UniqueFd(ends[1]);
  request.timeout = std::chrono::seconds(20);
  Stop stop = patience();
  const auto session = must(runtime_->exec(PodUid(uid), idOf(id), std::move(request), stop));
  const std::string text = must(readFd(read_end.get(), 1 << 20));
  if (output != nullptr) *output = text;
  return must(runtime::readExecResult(session.result.get()));
}

MachineSnapshot RuntimeLife::snapshot() {
  // What is no longer watched is closed by the loop, in the order of the orders; some give a further one.
  for (int turn = 0; turn < 2; ++turn) {
    std::promise<void> turned;
    loop_.post([&] { turned.set_value(); });
    turned.get_future().wait();
  }
  // The test is PID 1 of its world: what outlived its parent is a zombie until somebody waits for it.
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  const SnapshotScope scope{{world_.cgroup}, {world_.scratch + "/run", world_.scratch + "/state"}};
  return must(MachineSnapshot::take(scope));
}

std::string RuntimeLife::log(const std::string& uid, char id) const {
  return must(readFile(world_.scratch + "/logs/" + uid + "/" + id + "/0.log", 1 << 20));
}

}  // namespace keelson::test
