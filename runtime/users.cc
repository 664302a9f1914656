#include "runtime/users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

namespace keelson::runtime {
namespace {

// What runc and Docker accept.
constexpr uint64_t kMaxId = std::numeric_limits<int32_t>::max();
constexpr uint32_t kNobody = std::numeric_limits<uint32_t>::max();  // no id of a file: above kMaxId

bool isNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<uint32_t> parseId(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMaxId) {
    return makeError(Code::kInvalidArgument, "{}: uids and gids must be in range 0-{}", text, kMaxId);
  }
  return static_cast<uint32_t>(value);
}

// One line of passwd(5) or group(5), cut at its colons; at most `N` fields, the last takes the rest.
template <size_t N>
bool splitLine(std::string_view line, std::string_view (&fields)[N]) {
  for (size_t i = 0; i + 1 < N; ++i) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    fields[i] = line.substr(0, colon);
    line.remove_prefix(colon + 1);
  }
  fields[N - 1] = line;
  return true;
}

template <class Visit>
void forEachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && line[0] != '#' && !visit(line)) return;
    if (newline == std::string_view::npos) return;
    text.remove_prefix(newline + 1);
  }
}

struct PasswdEntry {
  std::string name;
  uint32_t uid = 0, gid = 0;
  std::string home;
};

// The first entry by name, or by number when `user` is one: a number is never a name, as in runc.
std::optional<PasswdEntry> findUser(std::string_view passwd, std::string_view user) {
  const std::optional<uint32_t> number =
      isNumber(user) ? std::optional(parseId(user).valueOr(kNobody)) : std::nullopt;
  std::optional<PasswdEntry> found;
  forEachLine(passwd, [&](std::string_view line) {
    std::string_view f[7];
    if (!splitLine(line, f) || f[0].empty()) return true;
    const auto uid = parseId(f[2]);
    const auto gid = parseId(f[3]);
    if (!uid || !gid) return true;
    if (number ? *uid != *number : f[0] != user) return true;
    found = PasswdEntry{std::string(f[0]), *uid, *gid, std::string(f[5])};
    return false;
  });
  return found;
}

std::optional<uint32_t> findGroup(std::string_view group, std::string_view name) {
  std::optional<uint32_t> found;
  forEachLine(group, [&](std::string_view line) {
    std::string_view f[4];
    if (!splitLine(line, f) || f[0] != name) return true;
    const auto gid = parseId(f[2]);
    if (!gid) return true;
    found = *gid;
    return false;
  });
  return found;
}

bool lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    const size_t comma = members.find(',');
    if (members.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    members.remove_prefix(comma + 1);
  }
  return false;
}

void addMemberships(std::string_view group, std::string_view name, std::vector<uint32_t>& groups) {
  forEachLine(group, [&](std::string_view line) {
    std::string_view f[4];
    if (!splitLine(line, f) || !lists(f[3], name)) return true;
    const auto gid = parseId(f[2]);
    if (gid) groups.push_back(*gid);
    return groups.size() < kMaxGroups;
  });
}

Result<std::string> readUserFile(const DirFd& root, const std::string& path) {
  auto fd = root.openBeneath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, Symlinks::kInsideRoot);
  if (!fd) {
    if (fd.error().code == Code::kNotFound) return std::string();
    return makeError(Code::kInvalidArgument, "/{} of the image: {}", path, fd.error().text);
  }
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return sysError("stat /{} of the image", path);
  if (!S_ISREG(info.st_mode))
    return makeError(Code::kInvalidArgument, "/{} of the image is not a file", path);
  auto text = readFd(fd->get(), kMaxUserFileBytes);
  if (!text && text.error().code == Code::kResourceExhausted) {
    return makeError(Code::kInvalidArgument, "/{} of the image is larger than {} bytes", path,
                     kMaxUserFileBytes);
  }
  return text;
}

std::string podText(const api::Pod& pod) {  // kubelet's format.Pod
  return fmt::format("{}_{}({})", pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid);
}

}  // namespace

Result<UserChoice> chooseUser(const api::Pod& pod, const api::Container& container,
                              const ImageConfig& image) {
  const api::PodSecurityContext& of_pod = pod.spec.security_context;
  std::optional<int64_t> user = of_pod.run_as_user;
  std::optional<int64_t> group = of_pod.run_as_group;
  std::optional<bool> non_root = of_pod.run_as_non_root;
  if (const auto& own = container.security_context) {
    if (own->run_as_user) user = own->run_as_user;
    if (own->run_as_group) group = own->run_as_group;
    if (own->run_as_non_root) non_root = own->run_as_non_root;
  }
  UserChoice choice;
  choice.user = user ? std::to_string(*user) : image.user;
  choice.run_as_group = group;
  choice.must_be_non_root = non_root.value_or(false);
  choice.merge_image_groups = of_pod.supplemental_groups_policy != "Strict";
  if (of_pod.fs_group) choice.supplemental_groups.push_back(static_cast<uint32_t>(*of_pod.fs_group));
  for (const int64_t id : of_pod.supplemental_groups)
    choice.supplemental_groups.push_back(static_cast<uint32_t>(id));

  if (!choice.must_be_non_root) return choice;
  const std::string where = fmt::format("(pod: \"{}\", container: {})", podText(pod), container.name);
  if (user) {
    if (*user != 0) return choice;
    return makeError(Code::kFailedPrecondition, "container's runAsUser breaks non-root policy {}", where);
  }
  const std::string image_user = image.user.substr(0, image.user.find(':'));
  if (image_user.empty() || (isNumber(image_user) && parseId(image_user).valueOr(1) == 0)) {
    return makeError(Code::kFailedPrecondition, "container has runAsNonRoot and image will run as root {}",
                     where);
  }
  if (!isNumber(image_user)) {
    return makeError(
        Code::kFailedPrecondition,
        "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {}",
        image_user, where);
  }
  return choice;
}

Result<ResolvedUser> resolveUser(const UserChoice& choice, std::string_view passwd, std::string_view group) {
  const size_t colon = choice.user.find(':');
  const std::string user = choice.user.substr(0, colon);
  const std::string group_name = colon == std::string::npos ? "" : choice.user.substr(colon + 1);

  ResolvedUser resolved;
  const auto entry = findUser(passwd, user.empty() ? "0" : user);
  if (entry) {
    resolved.uid = entry->uid;
    resolved.gid = entry->gid;
    if (!entry->home.empty()) resolved.home = entry->home;
  } else if (isNumber(user)) {
    resolved.uid = TRY_CTX(parseId(user), "user");
  } else if (!user.empty()) {
    return makeError(Code::kInvalidArgument, "unable to find user {}: no matching entries in passwd file",
                     user);
  }
  if (isNumber(group_name)) {
    resolved.gid = TRY_CTX(parseId(group_name), "group");
  } else if (!group_name.empty()) {
    const auto gid = findGroup(group, group_name);
    if (!gid) {
      return makeError(Code::kInvalidArgument, "unable to find group {}: no matching entries in group file",
                       group_name);
    }
    resolved.gid = *gid;
  }
  if (choice.run_as_group)
    resolved.gid = TRY_CTX(parseId(std::to_string(*choice.run_as_group)), "runAsGroup");
  if (choice.must_be_non_root && resolved.uid == 0) {
    return makeError(Code::kFailedPrecondition, "container has runAsNonRoot and image will run as root");
  }

  resolved.groups.push_back(resolved.gid);
  if (choice.merge_image_groups && entry) addMemberships(group, entry->name, resolved.groups);
  resolved.groups.insert(resolved.groups.end(), choice.supplemental_groups.begin(),
                         choice.supplemental_groups.end());
  std::vector<uint32_t> unique;
  std::set<uint32_t> seen;
  for (const uint32_t id : resolved.groups) {
    if (seen.insert(id).second) unique.push_back(id);
  }
  if (unique.size() > kMaxGroups) {
    return makeError(Code::kInvalidArgument, "user {}: more than {} groups", choice.user, kMaxGroups);
  }
  resolved.groups = std::move(unique);
  return resolved;
}

Result<ResolvedUser> resolveUserIn(const DirFd& root, const UserChoice& choice) {
  const std::string passwd = TRY(readUserFile(root, "etc/passwd"));
  const std::string group = TRY(readUserFile(root, "etc/group"));
  return resolveUser(choice, passwd, group);
}

}  // namespace keelson::runtime
