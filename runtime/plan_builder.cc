#include "runtime/plan_builder.h"

#include <algorithm>
#include <map>

#include "kernel/caps.h"
#include "kernel/seccomp.h"
#include "runtime/cgroup_layout.h"
#include "runtime/expand.h"

namespace keelson::runtime {
namespace {

bool isPrivileged(const api::Container& container) {
  return container.security_context && container.security_context->privileged.value_or(false);
}

bool isUnmasked(const api::Container& container) {
  return isPrivileged(container) ||
         (container.security_context && container.security_context->proc_mount == "Unmasked");
}

std::vector<std::string> expandAll(const std::vector<std::string>& texts,
                                   const std::map<std::string, std::string>& variables) {
  std::vector<std::string> out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.push_back(expandVariables(text, variables));
  return out;
}

Result<std::vector<std::string>> buildArgs(const ContainerPlanInput& input) {
  // Only the pod's own variables are expanded, in the pod's own words: the image's are the shell's business.
  const std::map<std::string, std::string> variables = [&] {
    std::map<std::string, std::string> map;
    for (const auto& [name, value] : input.env) map[name] = value;
    return map;
  }();
  std::vector<std::string> command = expandAll(input.container.command, variables);
  std::vector<std::string> args = expandAll(input.container.args, variables);
  if (command.empty()) {
    if (args.empty()) args = input.image.cmd;
    const auto& entrypoint = input.image.entrypoint;
    const bool is_blank = entrypoint.size() == 1 && entrypoint[0].empty();  // `ENTRYPOINT [""]` unsets it
    if (!is_blank) command = entrypoint;
  }
  command.insert(command.end(), args.begin(), args.end());
  if (command.empty()) return makeError(Code::kInvalidArgument, "no command specified");
  return command;
}

// Variables in the order of their first appearance, the last value wins.
class Environment {
 public:
  void set(const std::string& name, const std::string& value) {
    const auto [found, is_new] = index_.emplace(name, lines_.size());
    if (is_new) lines_.emplace_back();
    lines_[found->second] = name + "=" + value;
  }
  void setLine(const std::string& line) {
    const size_t equals = line.find('=');
    if (equals == 0 || equals == std::string::npos) return;  // images carry nonsense; runc would refuse it
    set(line.substr(0, equals), line.substr(equals + 1));
  }
  bool has(const std::string& name) const { return index_.count(name) > 0; }
  std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::map<std::string, size_t> index_;
  std::vector<std::string> lines_;
};

std::vector<std::string> buildEnv(const ContainerPlanInput& input) {
  Environment env;
  env.set("PATH", kDefaultPath);
  env.set("HOSTNAME", input.hostname);
  if (input.container.tty) env.set("TERM", "xterm");
  for (const auto& line : input.image.env) env.setLine(line);
  for (const auto& [name, value] : input.env) env.set(name, value);
  return env.take();
}

Result<std::string> seccompProgram(const ContainerPlanInput& input, uint64_t capabilities) {
  const SeccompChoice choice = seccompProfile(input.pod, input.container, input.seccomp_default);
  switch (choice.kind) {
    case SeccompChoice::Kind::kUnconfined:
      return std::string();
    case SeccompChoice::Kind::kRuntimeDefault:
      return kernel::runtimeDefaultSeccomp(capabilities);
    case SeccompChoice::Kind::kLocalhost:
      break;
  }
  if (!input.localhost_seccomp) {
    return makeError(Code::kInvalidArgument, "cannot load seccomp profile \"{}\"", choice.localhost_profile);
  }
  return TRY_CTX(kernel::compileSeccompProfile(*input.localhost_seccomp, capabilities),
                 "seccomp profile \"{}\"", choice.localhost_profile);
}

}  // namespace

SeccompChoice seccompProfile(const api::Pod& pod, const api::Container& container, bool seccomp_default) {
  if (isPrivileged(container)) return {};
  const api::SecurityProfile* profile = nullptr;
  if (pod.spec.security_context.seccomp_profile) profile = &*pod.spec.security_context.seccomp_profile;
  if (container.security_context && container.security_context->seccomp_profile) {
    profile = &*container.security_context->seccomp_profile;
  }
  if (profile == nullptr) {
    return {seccomp_default ? SeccompChoice::Kind::kRuntimeDefault : SeccompChoice::Kind::kUnconfined, ""};
  }
  if (profile->type == "Localhost") return {SeccompChoice::Kind::kLocalhost, profile->localhost_profile};
  if (profile->type == "RuntimeDefault") return {SeccompChoice::Kind::kRuntimeDefault, ""};
  return {};
}

std::vector<std::string> maskedPaths(const api::Container& container, int cpus) {
  if (isUnmasked(container)) return {};
  std::vector<std::string> paths = {
      "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
      "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
      "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
  };
  for (int cpu = 0; cpu < cpus; ++cpu) {
    paths.push_back(fmt::format("/sys/devices/system/cpu/cpu{}/thermal_throttle", cpu));
  }
  return paths;
}

std::vector<std::string> readOnlyPaths(const api::Container& container) {
  if (isUnmasked(container)) return {};
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

Result<uint64_t> containerCapabilities(const api::Container& container) {
  if (isPrivileged(container)) return kernel::allCapabilities();
  uint64_t bits = kernel::kDefaultCapabilities;
  if (!container.security_context || !container.security_context->capabilities) return bits;
  const auto& wanted = *container.security_context->capabilities;
  const auto isAll = [](const std::string& name) {
    return name == "ALL" || name == "all" || name == "CAP_ALL";
  };
  // containerd's order: ALL first, so that `drop: [ALL], add: [X]` leaves X.
  if (std::any_of(wanted.add.begin(), wanted.add.end(), isAll)) bits = kernel::allCapabilities();
  if (std::any_of(wanted.drop.begin(), wanted.drop.end(), isAll)) bits = 0;
  for (const auto& name : wanted.add) {
    if (isAll(name)) continue;
    const auto bit = kernel::capabilityBits(name);
    if (!bit) return makeError(Code::kInvalidArgument, "unknown capability \"{}\" to add", name);
    bits |= *bit;
  }
  for (const auto& name : wanted.drop) {
    if (isAll(name)) continue;
    const auto bit = kernel::capabilityBits(name);
    if (!bit) return makeError(Code::kInvalidArgument, "unknown capability \"{}\" to drop", name);
    bits &= ~*bit;
  }
  return bits;
}

Result<ContainerPlan> buildContainerPlan(const ContainerPlanInput& input) {
  const api::Container& container = input.container;
  ContainerPlan plan;
  plan.id = input.id.str();
  plan.name = container.name;
  plan.attempt = input.attempt;
  plan.log_name = fmt::format("{}.log", input.attempt);
  plan.privileged = isPrivileged(container);
  plan.has_stdin = container.stdin;
  plan.stdin_once = container.stdin && container.stdin_once;
  plan.target_container_id = input.target_container_id;
  plan.masked_paths = maskedPaths(container, input.cpus);
  plan.read_only_paths = readOnlyPaths(container);

  ProcessPlan& process = plan.process;
  process.args = TRY(buildArgs(input));
  process.env = buildEnv(input);
  process.cwd = !container.working_dir.empty() ? container.working_dir : input.image.working_dir;
  if (process.cwd.empty()) process.cwd = "/";
  process.tty = container.tty;
  process.rlimits = input.rlimits;
  process.oom_score_adj = oomScoreAdj(input.pod, container, input.node_memory);
  process.capabilities = TRY(containerCapabilities(container));
  if (container.security_context) {
    plan.read_only_root = container.security_context->read_only_root_filesystem.value_or(false);
    process.no_new_privileges = !container.security_context->allow_privilege_escalation.value_or(true);
  }
  process.seccomp_bpf = TRY(seccompProgram(input, process.capabilities));
  return plan;
}

}  // namespace keelson::runtime
