// Containers: from a request to a child that runs its init steps.
#include <sched.h>

#include <algorithm>

#include "runtime/init/steps.h"
#include "runtime/shim/containers.h"
#include "runtime/shim/device_rules.h"
#include "runtime/shim/launch.h"

namespace keelson::runtime::shim {
namespace {

// A start that takes longer hangs in some file system: its cgroup is killed and the daemon gets an error
// before it loses patience with the connection.
constexpr Duration kStartPatience = std::chrono::seconds(25);
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kFixedDescriptors = 2;  // root and log directory

// Ids and log names become file names.
bool isFileName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '-' || c == '_';
         });
}

struct Pipe {
  UniqueFd read, write;
};
Result<Pipe> makePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return sysError("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

CgroupHandles takeCgroup(const StartContainer& request, std::vector<UniqueFd>& descriptors) {
  CgroupHandles cgroup;
  size_t next = kFixedDescriptors;
  if (request.has_unified) cgroup.unified = DirFd(std::move(descriptors[next++]));
  while (next < descriptors.size()) cgroup.v1.emplace_back(std::move(descriptors[next++]));
  cgroup.v1_controllers = request.v1_controllers;
  return cgroup;
}

Result<void> checkRequest(const StartContainer& request, size_t descriptors) {
  const ContainerPlan& plan = request.plan;
  if (!isFileName(plan.id))
    return makeError(Code::kInvalidArgument, "container id \"{}\" is not a file name", plan.id);
  if (!isFileName(plan.log_name))
    return makeError(Code::kInvalidArgument, "log name \"{}\" is not a file name", plan.log_name);
  const size_t wanted = kFixedDescriptors + (request.has_unified ? 1 : 0) + request.v1_controllers.size();
  if (descriptors != wanted)
    return makeError(Code::kInvalidArgument, "{} descriptors came, {} are needed", descriptors, wanted);
  return {};
}

}  // namespace

void Containers::start(StartContainer request, std::vector<UniqueFd> descriptors,
                       std::vector<UniqueFd> mounts, Started done) {
  auto launched = launchContainer(request, std::move(descriptors), mounts);
  if (!launched) return done(std::move(launched).error());
  Container& container = **launched;
  container.done = std::move(done);
  container.kill_at = realClock().steady() + kStartPatience;
  containers_.push_back(std::move(launched).value());
  auto watch =
      poller_.watch(container.report.fd(), EPOLLIN, [this, &container](uint32_t) { onReport(container); });
  // Without a watch the child's end tells: SIGCHLD reads the report too.
  if (watch) container.report_watch = std::move(watch).value();
}

Result<void> Containers::setPidNamespace(const ContainerPlan& plan, LaunchRequest& launch) const {
  const NamespacesPlan& pod = sandbox_.plan().namespaces;
  if (!plan.target_container_id.empty()) {
    const auto target = running(plan.target_container_id);
    if (!target)
      return makeError(Code::kFailedPrecondition, "target container {} does not run",
                       plan.target_container_id);
    launch.pid_namespace = target->process.get();
  } else if (pod.share_pid) {
    launch.pid_namespace = sandbox_.podPidNamespace();
  } else if (!pod.host_pid) {
    launch.namespaces |= CLONE_NEWPID;
  }
  return {};
}

Result<Containers::StandardFiles> Containers::makeStandardFiles(const ContainerPlan& plan,
                                                                Container& container) const {
  StandardFiles files;
  if (plan.process.tty) return files;
  Pipe out = TRY(makePipe()), err = TRY(makePipe());
  files.out = std::move(out.write), container.log.out = std::move(out.read);
  files.err = std::move(err.write), container.log.err = std::move(err.read);
  if (plan.has_stdin) {
    Pipe in = TRY(makePipe());
    files.in = std::move(in.read), container.stdin_write = std::move(in.write);
  } else {
    files.in = TRY(sandbox_.openNull());
  }
  return files;
}

init::InitContext Containers::contextFor(const StartContainer& request, const CgroupHandles& cgroup,
                                         const StandardFiles& files) const {
  init::InitContext context;
  context.process = &request.plan.process;
  context.container = &request.plan;
  context.stdin_fd = files.in.get();
  context.stdout_fd = files.out.get();
  context.stderr_fd = files.err.get();
  context.v1_cgroups = cgroup.v1Descriptors();
  context.net = sandbox_.joinNet();
  context.ipc = sandbox_.joinIpc();
  context.uts = sandbox_.joinUts();
  context.first_token = request.first_token;
  context.has_unified = request.has_unified;
  context.v1_controllers = request.v1_controllers;
  return context;
}

Result<std::unique_ptr<Containers::Container>> Containers::launchContainer(
    StartContainer& request, std::vector<UniqueFd> descriptors, const std::vector<UniqueFd>& mounts) {
  const ContainerPlan& plan = request.plan;
  TRY(checkRequest(request, descriptors.size()));
  if (find(plan.id) != nullptr) return makeError(Code::kAlreadyExists, "container {} exists", plan.id);
  if (containers_.size() >= kMaxContainers)
    return makeError(Code::kResourceExhausted, "{} containers are recorded", kMaxContainers);

  auto container = std::make_unique<Container>();
  container->cgroup = takeCgroup(request, descriptors);
  container->oom_kills_before = container->cgroup.oomKills();
  container->record.id = plan.id;
  container->record.name = plan.name;
  container->record.attempt = plan.attempt;
  container->log = LogSource{DirFd(std::move(descriptors[1])), plan.log_name, {}, {}, plan.process.tty};

  if (!plan.privileged) TRY_CTX(applyDeviceRules(container->cgroup, buildDeviceRules(plan)), "device rules");
  const StandardFiles files = TRY(makeStandardFiles(plan, *container));

  LaunchRequest launch_request;
  launch_request.steps = init::containerSteps();
  launch_request.namespaces = CLONE_NEWNS;
  TRY(setPidNamespace(plan, launch_request));
  if (container->cgroup.unified.valid()) launch_request.cgroup = container->cgroup.unified.get();
  launch_request.context = contextFor(request, container->cgroup, files);
  launch_request.context.root = descriptors[0].get();
  for (const UniqueFd& mount : mounts) launch_request.context.mounts.push_back(mount.get());
  Launched launched = TRY(launch(sandbox_, std::move(launch_request)));
  container->record.pid = launched.pid;
  container->process = std::move(launched.process);
  container->report = std::move(launched.report);
  return container;
}

}  // namespace keelson::runtime::shim
