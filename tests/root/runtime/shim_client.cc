#include "tests/root/runtime/shim_client.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/fs.h"
#include "kernel/process.h"
#include "runtime/wire.h"
#include "tests/paths.h"

namespace keelson::test {
namespace {

namespace fs = std::filesystem;
using runtime::ContainerRecord;

constexpr char kBusybox[] = "/bin/busybox";
constexpr const char* kApplets[] = {
    "sh",   "cat",  "echo",  "sleep", "usleep",   "ls",    "id",    "ps",       "mount", "dd",
    "kill", "tty",  "stty",  "touch", "hostname", "mkdir", "mknod", "ip",       "seq",   "yes",
    "head", "true", "false", "grep",  "pwd",      "env",   "stat",  "readlink", "test",  "ulimit"};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return std::move(result).value();
}
void must(Result<void> result) {
  if (!result) throw std::runtime_error(result.error().text);
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string readToEnd(int fd) { return must(readFd(fd, size_t{64} << 20)); }

struct Pipe {
  UniqueFd read, write;
};
Pipe makePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd listenAt(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(socket.get(), 4) != 0)
    throw std::runtime_error("listen at " + path);
  return socket;
}

}  // namespace

void waitUntil(const char* what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error(std::string("never: ") + what);
    poll(nullptr, 0, 2);
  }
}

ShimPod::ShimPod(RootWorld& world, runtime::SandboxPlan plan, Told told) : world_(world), told_(told) {
  static int number = 0;
  folder_ = world.scratch + "/pod" + std::to_string(++number);
  run_folder_ = folder_ + "/run";
  root_ = folder_ + "/root";
  logs_ = folder_ + "/logs";
  for (const std::string& directory : {folder_, run_folder_, root_, logs_}) fs::create_directory(directory);
  makeRoot();
  spawnShim(plan);
  reconnect();
}

ShimPod::~ShimPod() {
  client_.reset();
  (void)process_.pidfd.signal(SIGKILL);
  (void)process_.pidfd.waitEnd(kPatience);
  for (auto& [id, cgroup] : cgroups_) (void)cgroup.kill();
}

void ShimPod::makeRoot() {
  fs::create_directory(root_ + "/bin");
  fs::create_directory(root_ + "/tmp");
  fs::permissions(root_ + "/tmp", fs::perms::all);
  fs::copy_file(kBusybox, root_ + "/bin/busybox");
  for (const char* applet : kApplets) fs::create_symlink("busybox", root_ + "/bin/" + applet);
}

void ShimPod::spawnShim(const runtime::SandboxPlan& plan) {
  const UniqueFd listener = listenAt(run_folder_ + "/shim.sock");
  const UniqueFd memfd = must(sealedMemfd("plan", runtime::encodeWire(plan)));
  const DirFd run = must(DirFd::open(run_folder_));
  const UniqueFd executable = must(kernel::sealExecutable(buildPath("runtime/keelson-shim")));
  Pipe ready = makePipe();
  kernel::SpawnRequest request;
  request.executable = executable.get();
  request.args = {"keelson-shim"};
  request.descriptors = {memfd.get(), listener.get(), run.get(), ready.write.get()};
  auto spawned = must(kernel::spawn(request));
  process_ = {std::move(spawned.pidfd), spawned.pid};
  ready.write.reset();
  const std::string bytes = readToEnd(ready.read.get());
  if (bytes.empty()) throw std::runtime_error("the shim died before it was ready");
  const auto record = must(runtime::decodeWire<runtime::ShimReady>(bytes));
  if (!record.ok) throw std::runtime_error("shim: " + record.error.text);
}

void ShimPod::reconnect() {
  Stop stop(kPatience);
  const DirFd run = must(DirFd::open(run_folder_));
  client_.emplace(must(runtime::ShimClient::connect(run, stop)));
}

UniqueFd ShimPod::cloneOf(const std::string& path, bool recursive) {
  const UniqueFd source(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!source) throw std::runtime_error("open " + path);
  return must(kernel::Mount::clone(source.get(), recursive)).release();
}

runtime::ContainerPlan ShimPod::planFor(const std::string& id, const std::string& script) {
  runtime::ContainerPlan plan;
  plan.id = id;
  plan.name = id;
  plan.log_name = "0.log";
  plan.process.args = {"sh", "-c", script};
  plan.process.env = {"PATH=/bin:/usr/bin", "HOME=/"};
  plan.process.capabilities = 0xa80425fb;  // Docker's default set
  return plan;
}

kernel::Cgroup& ShimPod::cgroup(const std::string& id) {
  for (auto& [name, cgroup] : cgroups_)
    if (name == id) return cgroup;
  cgroups_.emplace_back(id, must(kernel::Cgroup::ensure(world_.hierarchies, world_.cgroup + "/" + id)));
  return cgroups_.back().second;
}

Result<ContainerRecord> ShimPod::start(const runtime::ContainerPlan& plan, std::vector<TestMount> mounts) {
  runtime::StartContainer request;
  request.plan = plan;
  std::vector<int> sources;
  for (TestMount& mount : mounts) {
    if (mount.source) mount.plan.token = static_cast<uint32_t>(sources.size());
    if (mount.source) sources.push_back(mount.source.get());
    request.plan.mounts.push_back(mount.plan);
  }
  Stop stop(kPatience);
  request.first_token = TRY(client_->putDescriptors(sources, stop));
  request.token_count = static_cast<uint32_t>(sources.size());
  for (auto& mount : request.plan.mounts) mount.token += request.first_token;

  const UniqueFd root = cloneOf(root_);
  const DirFd logs = TRY(DirFd::ensure(logs_ + "/" + plan.id));
  std::vector<int> descriptors{root.get(), logs.get()};
  kernel::Cgroup& own = cgroup(plan.id);
  if (own.unified() != nullptr && told_ != Told::kV1Only) {
    request.has_unified = true;
    descriptors.push_back(own.unified()->get());
  }
  for (const auto& mount : world_.hierarchies.mounts) {
    if (mount.unified || mount.controllers.empty() || told_ == Told::kUnifiedOnly) continue;
    std::string names;
    for (const auto& controller : mount.controllers) names += (names.empty() ? "" : ",") + controller;
    request.v1_controllers.push_back(names);
    descriptors.push_back(own.controller(mount.controllers.front())->get());
  }
  return client_->startContainer(request, descriptors, stop);
}

ContainerRecord ShimPod::run(const runtime::ContainerPlan& plan, std::vector<TestMount> mounts) {
  must(start(plan, std::move(mounts)));
  return waitExit(plan.id);
}

std::optional<ContainerRecord> ShimPod::record(const std::string& id) {
  Stop stop(kPatience);
  const auto state = must(client_->getState(stop));
  for (const auto& container : state.containers)
    if (container.id == id) return container;
  return std::nullopt;
}

ContainerRecord ShimPod::waitExit(const std::string& id) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = record(id);
    if (!now) throw std::runtime_error("no container " + id);
    if (!now->running) return *now;
    pollfd changed{client_->changed()->get(), POLLIN, 0};
    poll(&changed, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(client_->changed()->get(), &count, sizeof count);
  }
  throw std::runtime_error("container " + id + " does not end");
}

void ShimPod::stop(const std::string& id, int signal, std::chrono::milliseconds grace) {
  Stop stop(kPatience);
  runtime::StopContainer request;
  request.id = id;
  request.signal = signal;
  request.grace_ms = grace.count();
  must(client_->stopContainer(request, stop));
}

Result<ShimPod::ExecHandle> ShimPod::startExec(const std::string& id, runtime::ProcessPlan process,
                                               std::chrono::milliseconds timeout) {
  runtime::Exec request;
  request.container_id = id;
  request.process = std::move(process);
  request.timeout_ms = timeout.count();
  Pipe result = makePipe(), cancel = makePipe(), out = makePipe(), err = makePipe();
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  std::vector<int> descriptors{result.write.get(), cancel.read.get()};
  if (!request.process.tty)
    descriptors.insert(descriptors.end(), {null.get(), out.write.get(), err.write.get()});
  Stop stop(kPatience);
  ExecHandle handle;
  handle.terminal = TRY(client_->exec(request, descriptors, stop));
  handle.result = std::move(result.read), handle.cancel = std::move(cancel.write);
  handle.out = std::move(out.read), handle.err = std::move(err.read);
  return handle;
}

runtime::ExecOutcome ShimPod::readOutcome(int result) {
  const std::string bytes = readToEnd(result);
  if (bytes.empty()) throw std::runtime_error("no result came");
  return must(runtime::decodeWire<runtime::ExecOutcome>(bytes));
}

ShimPod::ExecOutput ShimPod::exec(const std::string& id, std::vector<std::string> args,
                                  std::chrono::milliseconds timeout) {
  runtime::ProcessPlan process = planFor(id, "").process;
  process.args = std::move(args);
  const ExecHandle handle = must(startExec(id, std::move(process), timeout));
  ExecOutput output;
  output.outcome = readOutcome(handle.result.get());
  output.out = readToEnd(handle.out.get());
  output.err = readToEnd(handle.err.get());
  return output;
}

std::vector<std::string> ShimPod::logFiles(const std::string& id) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(logs_ + "/" + id)) names.push_back(entry.path().filename());
  // "0.log" is the youngest, the others sort by age.
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return (a == "0.log") != (b == "0.log") ? b == "0.log" : a < b;
  });
  return names;
}

std::string ShimPod::rawLog(const std::string& id) const {
  std::string all;
  for (const std::string& name : logFiles(id)) all += slurp(logs_ + "/" + id + "/" + name);
  return all;
}

std::string ShimPod::log(const std::string& id) const {
  std::string texts;
  std::istringstream lines(rawLog(id));
  for (std::string line; std::getline(lines, line);) {
    const size_t tag = line.find(' ', line.find(' ') + 1) + 1;
    texts += line.substr(tag + 2);
    if (line[tag] == 'F') texts += '\n';
  }
  return texts;
}

void ShimPod::waitLog(const std::string& id, const std::string& text) const {
  waitUntil(("log with " + text).c_str(), [&] { return log(id).find(text) != std::string::npos; });
}

std::vector<pid_t> ShimPod::childrenNamed(const std::string& name) const {
  std::vector<pid_t> found;
  const std::string tasks = "/proc/" + std::to_string(process_.pid) + "/task/";
  std::istringstream children(slurp(tasks + std::to_string(process_.pid) + "/children"));
  for (pid_t pid = 0; children >> pid;)
    if (slurp("/proc/" + std::to_string(pid) + "/comm") == name + "\n") found.push_back(pid);
  return found;
}

}  // namespace keelson::test
