#include "kubelet/start_container.h"

#include <sys/mount.h>

#include <algorithm>

#include "kernel/mount.h"
#include "kubelet/pod_files.h"
#include "kubelet/pod_volumes.h"
#include "runtime/plan_builder.h"
#include "runtime/users.h"

namespace keelson::kubelet {
namespace {

constexpr size_t kMaxSeccompProfile = size_t{1} << 20;
constexpr char kNodeHosts[] = "/etc/hosts";

bool mountsAt(const api::Container& container, const std::string& target) {
  return std::any_of(container.volume_mounts.begin(), container.volume_mounts.end(),
                     [&](const auto& mount) { return mount.mount_path == target; });
}

Result<runtime::OwnedMount> fileMount(int fd, const std::string& target, bool read_only) {
  kernel::Mount clone = TRY_CTX(kernel::Mount::clone(fd, false), "mount {}", target);
  TRY_CTX(clone.setPropagation(MS_PRIVATE, false), "mount {}", target);
  runtime::OwnedMount made;
  made.plan.target = target;
  made.plan.is_directory = false;
  made.plan.read_only = read_only;
  made.source = clone.release();
  return made;
}

DnsFacts dnsFacts(const WorkerContext& context) {
  DnsFacts facts;
  facts.cluster_dns = context.options.cluster_dns;
  facts.cluster_domain = context.options.cluster_domain;
  facts.node_file_unset = context.options.resolv_conf.empty();
  if (!facts.node_file_unset) {
    facts.node_file = readFile(context.options.resolv_conf, kMaxNodeFileBytes).valueOr("");
  }
  return facts;
}

// /etc/hosts, /etc/hostname, /etc/resolv.conf and the termination message, where the container has nothing of
// its own.
Result<std::vector<runtime::OwnedMount>> podFileMounts(PodState& state, const WorkerContext& context,
                                                       const api::Container& container, const ContainerId& id,
                                                       bool read_only_root) {
  std::vector<runtime::OwnedMount> mounts;
  const api::Pod& pod = *state.pod;
  const PodHostname hostname = TRY(podHostname(pod, context.options.cluster_domain));
  const auto add = [&](const char* target, const std::string& directory, const std::string& name,
                       const std::string& content, mode_t mode, bool read_only) -> Result<void> {
    if (mountsAt(container, target)) return {};
    const UniqueFd file = TRY_CTX(state.directory.putFile(directory, name, content, mode), "{}", target);
    mounts.push_back(TRY(fileMount(file.get(), target, read_only)));
    return {};
  };
  const std::string node_hosts =
      pod.spec.host_network ? readFile(kNodeHosts, kMaxNodeFileBytes).valueOr("") : std::string();
  TRY(add("/etc/hosts", "", "etc-hosts", renderHosts(pod, hostname, state.record.pod_ips, node_hosts), 0644,
          false));
  const std::string kernel_name = pod.spec.host_network ? context.node_hostname : hostname.kernel;
  TRY(add("/etc/hostname", "keelson", "hostname", kernel_name + "\n", 0644, read_only_root));
  const ResolvConf resolv_conf = renderResolvConf(pod, dnsFacts(context));
  for (const auto& note : resolv_conf.notes) {
    state.event("Warning", note.reason, note.message, "", context.deps.clock.wall());
  }
  TRY(add("/etc/resolv.conf", "keelson", "resolv.conf", resolv_conf.text, 0644, read_only_root));
  if (!container.termination_message_path.empty() &&
      !mountsAt(container, container.termination_message_path)) {
    const std::string file = PodDirectory::terminationFile(container.name, id);
    const size_t slash = file.rfind('/');
    const UniqueFd fd =
        TRY_CTX(state.directory.putFile(file.substr(0, slash), file.substr(slash + 1), "", 0666),
                "termination message");
    mounts.push_back(TRY(fileMount(fd.get(), container.termination_message_path, false)));
  }
  return mounts;
}

Result<std::optional<std::string>> localhostSeccomp(const WorkerContext& context, const api::Pod& pod,
                                                    const api::Container& container) {
  const auto choice = runtime::seccompProfile(pod, container, context.options.seccomp_default);
  if (choice.kind != runtime::SeccompChoice::Kind::kLocalhost) return std::optional<std::string>();
  const DirFd profiles = TRY_CTX(DirFd::open(context.options.seccomp_dir),
                                 "cannot load seccomp profile \"{}\"", choice.localhost_profile);
  return std::optional<std::string>(TRY_CTX(profiles.readFile(choice.localhost_profile, kMaxSeccompProfile),
                                            "cannot load seccomp profile \"{}\"", choice.localhost_profile));
}

}  // namespace

StartError configError(const PodState& state, const std::string& container, const Error& error) {
  const bool is_new = !state.start_failures.count(container);
  if (error.code == Code::kUnavailable && is_new) return {kStillCreating, error.text};
  return {"CreateContainerConfigError", error.text};
}

std::string unservedFeature(const api::Container& container) {
  if (!container.volume_devices.empty()) return "volumeDevices";
  if (!container.resources.claims.empty()) return "resources.claims";
  for (const auto& rule : container.restart_policy_rules) {
    if (rule.action != "Restart") return "restartPolicyRules with action " + rule.action;
  }
  return "";
}

DownwardFacts downwardFacts(const PodState& state, const WorkerContext& context) {
  return {context.host_ips, state.record.pod_ips, context.options.node_cpu, context.options.node_memory};
}

std::variant<runtime::ContainerRequest, StartError> buildStart(PodState& state, const WorkerContext& context,
                                                               const api::Container& container,
                                                               uint32_t attempt,
                                                               std::shared_ptr<const runtime::Image> image,
                                                               Stop& stop) {
  const api::Pod& pod = *state.pod;
  if (const std::string feature = unservedFeature(container); !feature.empty()) {
    return StartError{"CreateContainerConfigError", feature + " is not served by this node"};
  }
  const auto failed = [&](const Error& error) { return configError(state, container.name, error); };
  const auto resolved = resolveEnv(pod, container, downwardFacts(state, context), podObjects(state, context));
  if (!resolved) return failed(resolved.error());
  for (const auto& note : resolved->notes) {
    state.event("Warning", note.reason, note.message, "", context.deps.clock.wall());
  }
  const Env& env = resolved->env;
  const auto user = runtime::chooseUser(pod, container, image->config);
  if (!user) return failed(user.error());
  const auto hostname = podHostname(pod, context.options.cluster_domain);
  if (!hostname) return failed(hostname.error());

  const ContainerId id = makeContainerId();
  runtime::ContainerPlanInput input{pod, container, image->config, id, attempt, env, "",
                                    {},  0,         false,         {}, {},      ""};
  input.hostname = pod.spec.host_network ? context.node_hostname : hostname->kernel;
  input.node_memory = context.options.node_memory;
  input.cpus = static_cast<int>((context.options.node_cpu.value + 999) / 1000);
  input.seccomp_default = context.options.seccomp_default;
  auto seccomp = localhostSeccomp(context, pod, container);
  if (!seccomp) return StartError{"CreateContainerError", seccomp.error().text};
  input.localhost_seccomp = std::move(*seccomp);
  auto plan = runtime::buildContainerPlan(input);
  if (!plan) return StartError{"CreateContainerError", plan.error().text};

  runtime::ContainerRequest request;
  request.plan = std::move(*plan);
  OpenedMounts opened;
  if (const auto found = state.mounts.find(container.name); found != state.mounts.end()) {
    opened = std::move(found->second.opened);
    state.mounts.erase(found);
  }
  auto files = podFileMounts(state, context, container, id, request.plan.read_only_root);
  if (!files) return StartError{"CreateContainerError", files.error().text};
  auto volumes = volumeMounts(pod, container, env, volumeMaker(state, context), std::move(opened), stop);
  if (!volumes) return StartError{"CreateContainerConfigError", volumes.error().text};
  request.mounts = std::move(*files);
  for (auto& mount : *volumes) request.mounts.push_back(std::move(mount));
  request.mounts = outerFirst(std::move(request.mounts));

  request.cgroup = runtime::containerCgroup(context.options.cgroups, pod, container, id);
  request.image = std::move(image);
  request.log_directory = context.logs.containerDirectory(state.owner(), container.name);
  request.user = user->user;
  request.run_as_group = user->run_as_group;
  request.supplemental_groups = user->supplemental_groups;
  request.merge_image_groups = user->merge_image_groups;
  request.must_be_non_root = user->must_be_non_root;
  return request;
}

}  // namespace keelson::kubelet
