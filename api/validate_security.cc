#include <algorithm>
#include <limits>
#include <set>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr size_t kMaxProfileBytes = 4095;  // PATH_MAX without its NUL

void validateId(std::optional<int64_t> id, const FieldPath& path, FieldErrors& errors) {
  if (!id) return;
  for (const auto& error : checkRange(*id, 0, std::numeric_limits<int32_t>::max()))
    errors.invalid(path, *id, error);
}

enum class ProfileKind { kSeccomp, kAppArmor };

void validateProfile(const std::optional<SecurityProfile>& profile, ProfileKind kind, const FieldPath& path,
                     FieldErrors& errors) {
  if (!profile) return;
  const bool seccomp = kind == ProfileKind::kSeccomp;
  const std::string_view noun = seccomp ? "seccomp" : "AppArmor";
  if (profile->type.empty()) {
    errors.required(path.child("type"), fmt::format("type is required when {} is set",
                                                    seccomp ? "seccompProfile" : "appArmorProfile"));
  } else {
    errors.requireOneOf(path.child("type"), profile->type, {"Localhost", "RuntimeDefault", "Unconfined"});
  }
  const FieldPath local = path.child("localhostProfile");
  const std::string& name = profile->localhost_profile;
  if (profile->type != "Localhost") {
    if (!name.empty()) {
      errors.invalid(local, name, fmt::format("can only be set when {} type is Localhost", noun));
    }
  } else if (name.empty()) {
    errors.required(local, fmt::format("must be set when {} type is Localhost", noun));
  } else if (seccomp) {
    validateDescendingPath(name, local, errors);
  } else {
    if (name.front() == ' ' || name.back() == ' ') {
      errors.invalid(local, name, "must not be padded with whitespace");
    }
    if (name.size() > kMaxProfileBytes) errors.tooLong(local, kMaxProfileBytes);
  }
}

enum class SysctlNamespace { kNone, kIpc, kNet };

// component-helpers/node/util/sysctl of Kubernetes.
SysctlNamespace sysctlNamespace(std::string name) {
  std::replace(name.begin(), name.end(), '/', '.');
  if (name == "kernel.sem" || name.starts_with("kernel.shm") || name.starts_with("kernel.msg") ||
      name.starts_with("fs.mqueue.")) {
    return SysctlNamespace::kIpc;
  }
  return name.starts_with("net.") ? SysctlNamespace::kNet : SysctlNamespace::kNone;
}

void validateSysctls(const PodSpec& spec, const FieldPath& path, FieldErrors& errors) {
  std::set<std::string> seen;
  const auto& sysctls = spec.security_context.sysctls;
  for (size_t i = 0; i < sysctls.size(); ++i) {
    const std::string& name = sysctls[i].name;
    const FieldPath item = path.index(i).child("name");
    if (name.empty()) {
      errors.required(item);
      continue;
    }
    if (!isSysctlName(name)) {
      errors.invalid(item, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    } else if (!seen.insert(name).second) {
      errors.duplicate(item, name);
    }
    const SysctlNamespace owner = sysctlNamespace(name);
    if (spec.host_network && owner == SysctlNamespace::kNet) {
      errors.invalid(item, name, "may not be specified when 'hostNetwork' is true");
    }
    if (spec.host_ipc && owner == SysctlNamespace::kIpc) {
      errors.invalid(item, name, "may not be specified when 'hostIPC' is true");
    }
  }
}

// Empty is absent.
void requireOneOfIfSet(const FieldPath& path, std::string_view value,
                       std::initializer_list<std::string_view> supported, FieldErrors& errors) {
  if (!value.empty()) errors.requireOneOf(path, value, supported);
}

}  // namespace

void validateSecurityContext(const SecurityContext& context, const PodSpec& spec, const FieldPath& path,
                             FieldErrors& errors) {
  validateId(context.run_as_user, path.child("runAsUser"), errors);
  validateId(context.run_as_group, path.child("runAsGroup"), errors);
  requireOneOfIfSet(path.child("procMount"), context.proc_mount, {"Default", "Unmasked"}, errors);
  if (context.proc_mount == "Unmasked" && spec.host_users.value_or(true)) {
    errors.invalid(path.child("procMount"), context.proc_mount,
                   "`hostUsers` must be false to use `Unmasked`");
  }
  validateProfile(context.seccomp_profile, ProfileKind::kSeccomp, path.child("seccompProfile"), errors);
  validateProfile(context.app_armor_profile, ProfileKind::kAppArmor, path.child("appArmorProfile"), errors);
  if (context.allow_privilege_escalation.value_or(true)) return;
  if (context.privileged.value_or(false)) {
    errors.add(fmt::format(
        "{}: Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        path.str()));
  }
  // Only this spelling is looked at, as in the API server.
  if (context.capabilities &&
      std::count(context.capabilities->add.begin(), context.capabilities->add.end(), "CAP_SYS_ADMIN") > 0) {
    errors.add(
        fmt::format("{}: Invalid value: cannot set `allowPrivilegeEscalation` to false and "
                    "`capabilities.Add` CAP_SYS_ADMIN",
                    path.str()));
  }
}

void validatePodSecurityContext(const PodSpec& spec, const FieldPath& spec_path, FieldErrors& errors) {
  const PodSecurityContext& context = spec.security_context;
  const FieldPath path = spec_path.child("securityContext");
  validateId(context.fs_group, path.child("fsGroup"), errors);
  validateId(context.run_as_user, path.child("runAsUser"), errors);
  validateId(context.run_as_group, path.child("runAsGroup"), errors);
  for (size_t i = 0; i < context.supplemental_groups.size(); ++i) {
    validateId(context.supplemental_groups[i], path.child("supplementalGroups").index(i), errors);
  }
  validateSysctls(spec, path.child("sysctls"), errors);
  requireOneOfIfSet(path.child("fsGroupChangePolicy"), context.fs_group_change_policy,
                    {"Always", "OnRootMismatch"}, errors);
  requireOneOfIfSet(path.child("supplementalGroupsPolicy"), context.supplemental_groups_policy,
                    {"Merge", "Strict"}, errors);
  requireOneOfIfSet(path.child("seLinuxChangePolicy"), context.se_linux_change_policy,
                    {"MountOption", "Recursive"}, errors);
  validateProfile(context.seccomp_profile, ProfileKind::kSeccomp, path.child("seccompProfile"), errors);
  validateProfile(context.app_armor_profile, ProfileKind::kAppArmor, path.child("appArmorProfile"), errors);

  if (spec.host_pid && spec.share_process_namespace.value_or(false)) {
    errors.add(
        fmt::format("{}: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
                    spec_path.child("shareProcessNamespace").str()));
  }
  if (spec.host_users.value_or(true)) return;
  constexpr std::string_view kWithoutHostUsers = "when `hostUsers` is false";
  if (spec.host_network) errors.forbidden(spec_path.child("hostNetwork"), kWithoutHostUsers);
  if (spec.host_pid) errors.forbidden(spec_path.child("hostPID"), kWithoutHostUsers);
  if (spec.host_ipc) errors.forbidden(spec_path.child("hostIPC"), kWithoutHostUsers);
}

}  // namespace keelson::api
