// NativeRuntime: a container from its request to its first process.
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>

#include <algorithm>
#include <functional>

#include "base/undo.h"
#include "runtime/cgroup_apply.h"
#include "runtime/container_root.h"
#include "runtime/host_devices.h"
#include "runtime/native_runtime.h"
#include "runtime/run_folder.h"
#include "runtime/shim_links.h"
#include "runtime/users.h"

namespace keelson::runtime {
namespace {

constexpr Duration kUndoTimeout = std::chrono::seconds(10);
constexpr int kLookAgainMs = 20;
constexpr size_t kMaxMounts = 4096;

Result<void> checkRequest(const ContainerRequest& request) {
  TRY(checkId(ContainerId(request.plan.id)));
  const auto bad = [](const char* why) { return makeError(Code::kInvalidArgument, "{}", why); };
  if (request.plan.name.empty()) return bad("the container has no name");
  if (!request.plan.mounts.empty()) return bad("mounts belong into the request, not into its plan");
  if (request.plan.process.args.empty()) return bad("no command specified");
  if (!request.image) return bad("no image");
  if (request.cgroup.path.empty()) return bad("no cgroup path");
  if (request.log_directory.empty() || request.log_directory[0] != '/') return bad("no log directory");
  if (request.plan.log_name.empty() || request.plan.log_name.find('/') != std::string::npos)
    return bad("no log name");
  if (request.mounts.size() > kMaxMounts) return bad("too many mounts");
  for (const auto& mount : request.mounts) {
    if (mount.plan.target.empty() || mount.plan.target[0] != '/')
      return bad("a mount's target is not absolute");
    if (mount.plan.source == MountSource::kDescriptor && !mount.source.valid())
      return bad("a mount has no source");
  }
  return {};
}

// An error of the node in preparing a container: its code must not say that the container is at fault.
template <class T>
Result<T> asNodesFault(Result<T> result) {
  if (result || (result.error().code != Code::kInvalidArgument && result.error().code != Code::kNotFound)) {
    return result;
  }
  Error error = std::move(result).error();
  error.code = Code::kInternal;
  return error;
}

size_t depthOf(const std::string& path) {
  size_t parts = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '/' && (i == 0 || path[i - 1] == '/')) ++parts;
  }
  return parts;
}

Result<void> resolveProcess(const ContainerRequest& request, const kernel::Mount& root,
                            ProcessPlan& process) {
  UniqueFd fd(::fcntl(root.get(), F_DUPFD_CLOEXEC, 3));
  if (!fd) return sysError("duplicate root");
  UserChoice choice;
  choice.user = request.user;
  choice.run_as_group = request.run_as_group;
  choice.supplemental_groups = request.supplemental_groups;
  choice.merge_image_groups = request.merge_image_groups;
  choice.must_be_non_root = request.must_be_non_root;
  const ResolvedUser user = TRY(resolveUserIn(DirFd(std::move(fd)), choice));
  process.uid = user.uid;
  process.gid = user.gid;
  process.groups = user.groups;
  const bool has_home = std::any_of(process.env.begin(), process.env.end(),
                                    [](const std::string& line) { return line.rfind("HOME=", 0) == 0; });
  if (!has_home) process.env.push_back("HOME=" + user.home);
  return {};
}

// The cgroup's directories in the order StartContainer wants them.
void appendCgroup(const kernel::CgroupHierarchies& hierarchies, const kernel::Cgroup& cgroup,
                  StartContainer& start, std::vector<int>& descriptors) {
  if (const DirFd* unified = cgroup.unified()) {
    start.has_unified = true;
    descriptors.push_back(unified->get());
  }
  for (const auto& mount : hierarchies.mounts) {
    if (mount.unified || mount.controllers.empty()) continue;
    const DirFd* dir = cgroup.controller(mount.controllers.front());
    if (dir == nullptr) continue;
    std::string names;
    for (const auto& controller : mount.controllers) names += (names.empty() ? "" : ",") + controller;
    start.v1_controllers.push_back(names);
    descriptors.push_back(dir->get());
  }
}

// Mounts of shallow targets first, so that none hides another (containerd sorts the same way); their
// descriptors are taken out of the request into `sources`.
std::vector<MountPlan> orderMounts(std::vector<OwnedMount>& mounts, std::vector<UniqueFd>& sources) {
  std::stable_sort(mounts.begin(), mounts.end(), [](const OwnedMount& a, const OwnedMount& b) {
    return depthOf(a.plan.target) < depthOf(b.plan.target);
  });
  std::vector<MountPlan> plans;
  for (auto& mount : mounts) {
    if (mount.plan.source == MountSource::kDescriptor) {
      mount.plan.token =
          static_cast<uint32_t>(sources.size());  // counted from the first one; startAtShim adds that
      sources.push_back(std::move(mount.source));
    }
    plans.push_back(std::move(mount.plan));
  }
  return plans;
}

Result<ContainerRecord> startAtShim(ShimClient& shim, StartContainer& start,
                                    const std::vector<UniqueFd>& sources, const std::vector<int>& descriptors,
                                    Stop& stop) {
  std::vector<int> mounts;
  for (const auto& source : sources) mounts.push_back(source.get());
  start.first_token = TRY(shim.putDescriptors(mounts, stop));
  start.token_count = static_cast<uint32_t>(mounts.size());
  for (auto& mount : start.plan.mounts) {
    if (mount.source == MountSource::kDescriptor) mount.token += start.first_token;
  }
  return shim.startContainer(start, descriptors, stop);
}

// The shim forgets a container only when it has started, ended and its log is drained: killed and asked again
// until then. Best effort, as long as `stop` allows and the shim lives.
void forgetAtShim(ShimLinks& links, const PodUid& uid, const ContainerId& id, Stop& stop,
                  const std::function<void()>& kill) {
  while (true) {
    kill();
    std::shared_ptr<const UniqueFd> process;
    const auto removed = links.with(uid, stop, [&](ShimClient& shim) {
      process = shim.process();
      return shim.removeContainer(id, stop);
    });
    if (removed || removed.error().code != Code::kFailedPrecondition || !process || stop.expired()) return;
    pollfd ended{process->get(), POLLIN, 0};
    if (::poll(&ended, 1, kLookAgainMs) > 0) return;
  }
}

}  // namespace

Result<ObservedContainer> NativeRuntime::startContainer(const PodUid& uid, ContainerRequest request,
                                                        Stop& stop) {
  const std::string name = request.plan.name;  // the plan is moved on
  return TRY_CTX(startIn(uid, request, stop), "start container {}", name);
}

Result<ObservedContainer> NativeRuntime::startIn(const PodUid& uid, ContainerRequest& request, Stop& stop) {
  TRY(checkRequest(request));
  TRY(stop.check("start"));
  const ContainerId id(request.plan.id);
  auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder) return makeError(Code::kFailedPrecondition, "the pod has no sandbox");
  if (readPlan(*run_folder, id)) return makeError(Code::kAlreadyExists, "id {} is in use", id.str());

  Undo undo;
  SavedContainer saved;
  saved.id = request.plan.id;
  saved.name = request.plan.name;
  saved.attempt = request.plan.attempt;
  saved.cgroup = request.cgroup.path;
  saved.process = request.plan.process;
  saved.image_id = request.image->id;
  saved.layer_chain_ids = request.image->layer_chain_ids;
  undo.push([&] { (void)removePlan(*run_folder, id); });
  TRY(writePlan(*run_folder, saved));

  const ImageLayers layers =
      TRY_CTX(asNodesFault(images_.openLayers(*request.image)), "image {}", request.image->id);
  TRY(createContainerFolder(options_.state_dir, id));
  undo.push([&] { (void)removeContainerFolder(options_.state_dir, id); });
  kernel::Mount root = TRY(asNodesFault(createContainerRoot(options_.state_dir, id, layers)));
  StartContainer start;
  start.plan = std::move(request.plan);
  TRY(resolveProcess(request, root, start.plan.process));
  // A mount over /dev brings its own nodes, and ours do not belong into it.
  const bool has_own_dev =
      std::any_of(request.mounts.begin(), request.mounts.end(),
                  [](const OwnedMount& mount) { return cleanTarget(mount.plan.target) == "/dev"; });
  if (start.plan.privileged && !has_own_dev) {
    const DirFd dev = TRY(asNodesFault(DirFd::open("/dev")));
    for (auto& device : TRY(hostDevices(dev))) start.plan.devices.push_back(std::move(device));
  }
  auto volumes =
      TRY(createImageVolumes(options_.state_dir, id, root, request.image->config, request.mounts, stop));
  std::move(volumes.begin(), volumes.end(), std::back_inserter(request.mounts));
  std::vector<UniqueFd> sources;
  start.plan.mounts = orderMounts(request.mounts, sources);

  undo.push([&] {
    Stop bounded(kUndoTimeout);
    (void)destroyCgroup(options_.hierarchies, request.cgroup.path, bounded);
  });
  const auto cgroup = TRY(asNodesFault(ensureCgroup(options_.hierarchies, request.cgroup)));
  const DirFd logs = TRY_CTX(asNodesFault(DirFd::ensure(request.log_directory)), "log directory");
  std::vector<int> descriptors = {root.get(), logs.get()};
  appendCgroup(options_.hierarchies, cgroup, start, descriptors);

  // Saved as it will run before it runs: exec needs it even if this daemon dies while the shim starts it.
  saved.process = start.plan.process;
  saved.started_at = toWire(options_.clock->wall());
  TRY(writePlan(*run_folder, saved));
  // An answer that was lost may have been "started": the shim is told to forget whatever there is.
  undo.push([&] {
    Stop bounded(kUndoTimeout);
    forgetAtShim(*links_, uid, id, bounded,
                 [&] { (void)emptyCgroup(options_.hierarchies, request.cgroup.path, bounded); });
    (void)removeExit(*run_folder, id);
  });
  const ContainerRecord record = TRY(links_->with(
      uid, stop, [&](ShimClient& shim) { return startAtShim(shim, start, sources, descriptors, stop); }));
  undo.commit();
  leases_.with([&](auto& leases) { leases[id] = layers.lease; });
  return observed(record);
}

}  // namespace keelson::runtime
