// NativeRuntime: the end of sandboxes, and of what earlier lives left.
#include <fcntl.h>

#include <algorithm>
#include <set>

#include "kernel/pidfd.h"
#include "runtime/cgroup_apply.h"
#include "runtime/container_root.h"
#include "runtime/native_runtime.h"
#include "runtime/run_folder.h"
#include "runtime/shim_links.h"

namespace keelson::runtime {
namespace {

constexpr Duration kShutdownTimeout = std::chrono::seconds(5);
constexpr Duration kEmptyTimeout = std::chrono::seconds(20);
// Of one shim, at start: one that hangs must not use up the time of all.
constexpr Duration kStatusTimeout = std::chrono::seconds(2);
constexpr char kPodPrefix[] = "pod";

// The shim ends by itself: it kills what runs, and its log writer gets to write what it has. Best effort, the
// cgroups are killed afterwards in any case.
void shutdownShim(ShimLinks& links, const PodUid& uid, Stop& stop) {
  Stop bounded = stop.within(kShutdownTimeout);
  (void)links.with(uid, bounded, [&](ShimClient& shim) -> Result<void> {
    TRY(shim.shutdown(bounded));
    const kernel::Pidfd process{UniqueFd(::fcntl(shim.process()->get(), F_DUPFD_CLOEXEC, 3))};
    if (process.valid()) TRY(process.waitEnd(bounded.remaining()));
    return {};
  });
}

// A zombie of ours keeps its number until it is waited for.
void reapShim(const DirFd& run_folder) {
  const auto identity = readShimIdentity(run_folder);
  if (!identity) return;
  const auto process = kernel::Pidfd::open(identity->process);
  if (process && process->hasEnded()) reap(process->get());
}

// By the chain ids: the image may be removed while its containers run. A plan without them is of a daemon
// that did not save them, or of an image without layers.
Result<ImageLayers> openSavedLayers(const ImageService& images, const SavedContainer& saved) {
  Image image;
  image.id = saved.image_id;
  image.layer_chain_ids = saved.layer_chain_ids;
  if (!image.layer_chain_ids.empty()) return images.openLayers(image);
  const auto found = TRY(images.find(saved.image_id));
  if (!found) return makeError(Code::kNotFound, "image {} is not here", saved.image_id);
  return images.openLayers(*found);
}

}  // namespace

ErrorList NativeRuntime::destroySandbox(const PodUid& uid, Stop& stop) {
  ErrorList errors;
  const auto context = [&](Error error) {
    return std::move(error).withContext(fmt::format("destroy pod {}", uid.str()));
  };
  if (auto checked = checkUid(uid); !checked) {
    errors.add(context(std::move(checked).error()));
    return errors;
  }
  const auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder && run_folder.error().code != Code::kNotFound) errors.add(context(run_folder.error()));
  if (run_folder) shutdownShim(*links_, uid, stop);

  // The rule does not rest on the shim: every cgroup of the pod is killed and proven empty.
  Stop bounded = stop.within(kEmptyTimeout);
  std::vector<std::string> cgroups = podCgroupPaths(options_.cgroups, uid);
  cgroups.push_back(shimCgroupPath(options_.cgroups, uid));
  for (const auto& path : cgroups) {
    auto destroyed = destroyCgroup(options_.hierarchies, path, bounded);
    if (!destroyed) errors.add(context(std::move(destroyed).error()));
  }
  if (!errors.empty())
    return errors;  // something still runs: the run folder stays, so that this is done again
  links_->drop(uid);
  if (!run_folder) return errors;

  reapShim(*run_folder);
  std::set<ContainerId> containers;
  for (const auto& id : listPlans(*run_folder)) containers.insert(id);
  for (const auto& record : readExits(*run_folder)) containers.insert(ContainerId(record.id));
  for (const auto& id : containers) {
    auto forgotten = forgetContainer(*run_folder, id, bounded);
    if (!forgotten) errors.add(context(std::move(forgotten).error()));
  }
  if (!errors.empty()) return errors;
  auto removed = [&]() -> Result<void> {
    const DirFd pods = TRY(ensurePodsFolder(options_.run_dir));
    return pods.removeTree(uid.str());
  }();
  if (!removed) errors.add(context(std::move(removed).error()));
  links_->notify(uid);
  return errors;
}

ErrorList NativeRuntime::cleanUp(Stop& stop) {
  ErrorList errors;
  const auto pods = ensurePodsFolder(options_.run_dir);
  const auto live = list();
  if (!pods || !live) {
    errors.add(!pods ? pods.error() : live.error());
    return errors;
  }
  const std::set<PodUid> uids(live->begin(), live->end());
  errors.add(destroyOrphans(uids, stop));

  const auto entries = pods->list(kMaxPods);
  if (!entries) errors.add(entries.error());
  if (entries) {
    for (const auto& entry : *entries) {
      if (!uids.count(PodUid(entry.name))) errors.add(pods->removeTree(entry.name));
    }
  }
  std::set<std::string> containers;
  for (const auto& uid : uids) errors.add(cleanUpPod(uid, containers, stop));
  const auto folders = listContainerFolders(options_.state_dir);
  if (!folders) errors.add(folders.error());
  if (folders) {
    for (const auto& id : *folders) {
      if (!containers.count(id.str())) errors.add(removeContainerFolder(options_.state_dir, id));
    }
  }
  return errors;
}

// Cgroups of pods and shims without a run folder: killed and removed, whatever runs in them.
ErrorList NativeRuntime::destroyOrphans(const std::set<PodUid>& live, Stop& stop) {
  ErrorList errors;
  const auto sweep = [&](const std::string& parent, const std::string& prefix) {
    const auto names = listCgroups(options_.hierarchies, parent);
    if (!names) {
      errors.add(names.error());
      return;
    }
    for (const auto& name : *names) {
      if (name.rfind(prefix, 0) != 0 || live.count(PodUid(name.substr(prefix.size())))) continue;
      Stop bounded = stop.within(kEmptyTimeout);
      errors.add(destroyCgroup(options_.hierarchies, parent + "/" + name, bounded));
    }
  };
  for (const QosClass qos : {QosClass::kGuaranteed, QosClass::kBurstable, QosClass::kBestEffort}) {
    sweep(qosCgroupPath(options_.cgroups, qos), kPodPrefix);
  }
  sweep(shimsCgroupPath(options_.cgroups), "");
  return errors;
}

// A pod that goes on: thawed, starts that did not come to their end taken back, the layers of its
// containers leased again. Its containers are added to `containers`.
ErrorList NativeRuntime::cleanUpPod(const PodUid& uid, std::set<std::string>& containers, Stop& stop) {
  ErrorList errors;
  const auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder) {
    errors.add(run_folder.error());
    return errors;
  }
  for (const auto& path : podCgroupPaths(options_.cgroups, uid)) {
    const auto cgroup = kernel::Cgroup::open(options_.hierarchies, path);
    if (cgroup) errors.add(cgroup->thaw());
  }
  Stop bounded = stop.within(kStatusTimeout);
  const auto pod = status(uid, bounded);
  std::set<std::string> known;
  if (pod) {
    for (const auto& container : pod->containers) known.insert(container.id.str());
  }
  for (const auto& id : listPlans(*run_folder)) {
    if (pod && pod->sandbox == SandboxPhase::kReady && !known.count(id.str())) {
      errors.add(forgetContainer(*run_folder, id, stop));
      continue;
    }
    containers.insert(id.str());
    const auto saved = readPlan(*run_folder, id);
    if (!saved) continue;
    const auto layers = openSavedLayers(images_, *saved);
    if (layers) leases_.with([&](auto& leases) { leases[id] = layers->lease; });
  }
  return errors;
}

}  // namespace keelson::runtime
