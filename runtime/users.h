// Who a container's process is: from pod and image to numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/fs.h"
#include "base/result.h"
#include "runtime/images/image.h"

namespace keelson::runtime {

// What pod and image say, before the image's own /etc/passwd is asked. The fields are those of
// ContainerRequest.
struct UserChoice {
  std::string user;  // "", "uid[:gid]", "name[:group]"
  std::optional<int64_t> run_as_group;
  std::vector<uint32_t> supplemental_groups;  // supplementalGroups and fsGroup
  bool merge_image_groups = true;
  bool must_be_non_root = false;
};

// kFailedPrecondition with kubelet's messages when runAsNonRoot is broken (SEC-02): that is
// CreateContainerConfigError. Pure.
Result<UserChoice> chooseUser(const api::Pod& pod, const api::Container& container, const ImageConfig& image);

struct ResolvedUser {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // the primary one first, without repeats
  std::string home = "/";
};

// The numbers of `choice` in texts of /etc/passwd and /etc/group (passwd(5), group(5)); lines that do not fit
// the format are skipped. kInvalidArgument: no such user or group, a number out of range, or root in spite of
// must_be_non_root. Pure.
Result<ResolvedUser> resolveUser(const UserChoice& choice, std::string_view passwd, std::string_view group);

// The same with the files of a root directory. Links are followed inside of it only; absent files count as
// empty; anything but a regular file, or one above kMaxUserFileBytes, is kInvalidArgument.
Result<ResolvedUser> resolveUserIn(const DirFd& root, const UserChoice& choice);

inline constexpr size_t kMaxUserFileBytes = size_t{1} << 20;
inline constexpr size_t kMaxGroups = 65536;  // NGROUPS_MAX of setgroups(2)

}  // namespace keelson::runtime
