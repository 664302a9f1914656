#include "runtime/native_runtime.h"

#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <tuple>

#include "kernel/pidfd.h"
#include "runtime/cgroup_apply.h"
#include "runtime/container_root.h"
#include "runtime/run_folder.h"
#include "runtime/shim_links.h"
#include "runtime/usage.h"

namespace keelson::runtime {
namespace {

constexpr size_t kBootIdLimit = 128;
constexpr Duration kLostKillTimeout = std::chrono::seconds(5);
constexpr int kUnknownExitCode = 137;  // Kubernetes' ContainerStatusUnknown

Result<std::string> readBootId() {
  std::string text = TRY(readFile("/proc/sys/kernel/random/boot_id", kBootIdLimit));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The process that shim.pid names has ended, or never came to be.
bool isShimGone(const DirFd& run_folder) {
  const auto identity = readShimIdentity(run_folder);
  if (!identity) return identity.error().code == Code::kNotFound;
  const auto process = kernel::Pidfd::open(identity->process);
  if (!process) return process.error().code == Code::kNotFound;
  return process->hasEnded();
}

void sortOldestFirst(std::vector<ObservedContainer>& containers) {
  std::sort(containers.begin(), containers.end(), [](const ObservedContainer& a, const ObservedContainer& b) {
    return std::tie(a.started_at, a.id) < std::tie(b.started_at, b.id);
  });
}

// What is left to know of a pod whose shim is gone: the exit records it wrote. Containers without one ended
// with it, or end now: they are killed, and a record is written so that the answer stays the same.
ObservedPod lostPod(const DirFd& run_folder, const kernel::CgroupHierarchies& hierarchies,
                    const Clock& clock) {
  ObservedPod pod;
  pod.sandbox = SandboxPhase::kLost;
  if (const auto saved = readSandbox(run_folder)) {
    pod.sandbox_attempt = saved->plan.attempt;
    pod.sandbox_created = fromWire(saved->created_at);
    Stop bounded(kLostKillTimeout);
    (void)emptyCgroup(hierarchies, saved->cgroup, bounded);
  }
  std::vector<ContainerRecord> records = readExits(run_folder);
  for (const auto& saved : readPlans(run_folder)) {
    const bool has_record = std::any_of(records.begin(), records.end(),
                                        [&](const ContainerRecord& record) { return record.id == saved.id; });
    if (has_record || saved.started_at == 0) continue;
    ContainerRecord record;
    record.id = saved.id;
    record.name = saved.name;
    record.attempt = saved.attempt;
    record.started_at = saved.started_at;
    record.finished_at = toWire(clock.wall());
    record.exit_code = kUnknownExitCode;
    record.signal = SIGKILL;
    record.error = "ShimLost: the pod's shim process ended before this container";
    (void)writeExit(run_folder, record);
    records.push_back(std::move(record));
  }
  for (const auto& record : records) pod.containers.push_back(observed(record));
  sortOldestFirst(pod.containers);
  return pod;
}

ObservedPod readyPod(const State& state) {
  ObservedPod pod;
  pod.sandbox = SandboxPhase::kReady;
  pod.sandbox_attempt = state.sandbox.attempt;
  pod.sandbox_created = fromWire(state.created_at);
  pod.shim_pid = state.shim_pid;
  for (const auto& record : state.containers) pod.containers.push_back(observed(record));
  sortOldestFirst(pod.containers);
  return pod;
}

}  // namespace

Result<std::unique_ptr<NativeRuntime>> NativeRuntime::open(NativeRuntimeOptions options, Loop& loop,
                                                           const ImageService& images) {
  if (!options.shim || !options.shim->valid())
    return makeError(Code::kInvalidArgument, "runtime: no shim executable");
  if (options.hierarchies.mounts.empty()) options.hierarchies = TRY(kernel::CgroupHierarchies::ofThisHost());
  if (options.boot_id.empty()) options.boot_id = TRY(readBootId());
  TRY_CTX(ensurePodsFolder(options.run_dir), "run folder {}", options.run_dir);
  TRY_CTX(listContainerFolders(options.state_dir), "state folder {}", options.state_dir);
  return std::unique_ptr<NativeRuntime>(new NativeRuntime(std::move(options), loop, images));
}

NativeRuntime::NativeRuntime(NativeRuntimeOptions options, Loop& loop, const ImageService& images)
    : options_(std::move(options)),
      images_(images),
      links_(std::make_unique<ShimLinks>(loop, options_.run_dir)) {}

NativeRuntime::~NativeRuntime() = default;

void NativeRuntime::setListener(std::function<void(const PodUid&)> listener) {
  links_->setListener(std::move(listener));
}

Result<std::vector<PodUid>> NativeRuntime::list() const {
  std::vector<PodUid> uids;
  for (const auto& uid : TRY(listRunFolders(options_.run_dir))) {
    const auto folder = openRunFolder(options_.run_dir, uid);
    if (folder && isOfBoot(*folder, options_.boot_id)) uids.push_back(uid);
  }
  return uids;
}

Result<ObservedPod> NativeRuntime::status(const PodUid& uid, Stop& stop) {
  const auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder && run_folder.error().code == Code::kNotFound) return ObservedPod{};
  if (!run_folder) return run_folder.error();
  if (!isOfBoot(*run_folder, options_.boot_id))
    return lostPod(*run_folder, options_.hierarchies, *options_.clock);
  auto state = links_->with(uid, stop, [&](ShimClient& shim) { return shim.getState(stop); });
  if (state) return readyPod(*state);
  if (isShimGone(*run_folder)) return lostPod(*run_folder, options_.hierarchies, *options_.clock);
  return std::move(state).error().withContext(fmt::format("status of pod {}", uid.str()));
}

Result<UniqueFd> NativeRuntime::openNetns(const PodUid& uid, Stop& stop) {
  auto netns = links_->with(uid, stop, [](ShimClient& shim) -> Result<UniqueFd> {
    UniqueFd fd(::fcntl(shim.netns(), F_DUPFD_CLOEXEC, 3));
    if (!fd) return sysError("duplicate the network namespace");
    return fd;
  });
  if (!netns) return std::move(netns).error().withContext(fmt::format("network of pod {}", uid.str()));
  return netns;
}

Result<DirFd> NativeRuntime::ensureTmpfs(const PodUid& uid, const std::string& name, int64_t size,
                                         uint32_t mode, Stop& stop) {
  if (!isPlainName(name)) return makeError(Code::kInvalidArgument, "tmpfs volume: bad name \"{}\"", name);
  const EnsureTmpfs request{name, size, mode, 0};
  auto dir = links_->with(uid, stop, [&](ShimClient& shim) { return shim.ensureTmpfs(request, stop); });
  if (!dir) return std::move(dir).error().withContext(fmt::format("tmpfs volume {}", name));
  return dir;
}

Result<void> NativeRuntime::stopContainer(const PodUid& uid, const ContainerId& id, int signal,
                                          Duration grace, Stop& stop) {
  TRY(checkId(id));
  StopContainer request;
  request.id = id.str();
  request.signal = signal;
  request.grace_ms = std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(grace).count());
  auto stopped = links_->with(uid, stop, [&](ShimClient& shim) { return shim.stopContainer(request, stop); });
  if (!stopped) return std::move(stopped).error().withContext(fmt::format("stop container {}", id.str()));
  return {};
}

Result<void> NativeRuntime::removeContainer(const PodUid& uid, const ContainerId& id, Stop& stop) {
  TRY(checkId(id));
  const auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder && run_folder.error().code == Code::kNotFound) return {};
  if (!run_folder) return run_folder.error();
  auto removed = links_->with(uid, stop, [&](ShimClient& shim) { return shim.removeContainer(id, stop); });
  if (!removed && !isShimGone(*run_folder) && removed.error().code != Code::kNotFound) {
    return std::move(removed).error().withContext(fmt::format("remove container {}", id.str()));
  }
  TRY_CTX(forgetContainer(*run_folder, id, stop), "remove container {}", id.str());
  return {};
}

// The plan goes last: as long as it is there, what belongs to the container is found.
Result<void> NativeRuntime::forgetContainer(const DirFd& run_folder, const ContainerId& id, Stop& stop) {
  const auto saved = readPlan(run_folder, id);
  if (saved) TRY(destroyCgroup(options_.hierarchies, saved->cgroup, stop));
  TRY(removeContainerFolder(options_.state_dir, id));
  leases_.with([&](auto& leases) { leases.erase(id); });
  TRY(removeExit(run_folder, id));
  return removePlan(run_folder, id);
}

Result<std::vector<Runtime::Usage>> NativeRuntime::usage(const PodUid& uid) const {
  const DirFd run_folder = TRY_CTX(openRunFolder(options_.run_dir, uid), "usage of pod {}", uid.str());
  const SavedSandbox sandbox = TRY_CTX(readSandbox(run_folder), "usage of pod {}", uid.str());
  std::vector<Usage> all;
  all.push_back(TRY(readUsage(options_.hierarchies, sandbox.cgroup)));
  for (const auto& saved : readPlans(run_folder)) {
    auto usage = readUsage(options_.hierarchies, saved.cgroup);
    if (!usage || usage->pids == 0) continue;  // it has ended
    usage->container = saved.name;
    all.push_back(std::move(usage).value());
  }
  return all;
}

Result<void> NativeRuntime::ensureCgroups(const std::vector<CgroupRequest>& requests) {
  ErrorList errors;
  for (const auto& request : requests) {
    auto ensured = ensureCgroup(options_.hierarchies, request);
    if (!ensured) errors.add(std::move(ensured).error());
  }
  return errors.result();
}

}  // namespace keelson::runtime
