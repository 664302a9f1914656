#include "kubelet/object_volumes.h"

#include <sys/stat.h>
#include <unistd.h>

namespace keelson::kubelet {
namespace {

// Old and new files side by side, and whole pages for each.
constexpr int64_t kTmpfsSize = 4 * static_cast<int64_t>(kMaxVolumeBytes);
constexpr mode_t kDiskMode = 0777;
constexpr mode_t kTmpfsMode = 01777;
constexpr mode_t kGroupDirectory = S_ISGID | 0550;

Result<void> giveTo(const DirFd& dir, const api::Pod& pod, mode_t mode) {
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return sysError("stat volume");
  const auto group = pod.spec.security_context.fs_group;
  if (group) {
    mode |= kGroupDirectory;
    if (info.st_gid != static_cast<gid_t>(*group) &&
        ::fchown(dir.get(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
      return sysError("give volume to group {}", *group);
    }
  }
  if ((info.st_mode & 07777) != mode && ::fchmod(dir.get(), mode) != 0) return sysError("mode of volume");
  return {};
}

Tokens askTokens(const api::Pod& pod, const api::Volume& volume, TokenSource* source) {
  Tokens tokens;
  if (source == nullptr) return tokens;
  for (const auto& key : tokenKeys(pod, volume)) tokens.emplace(key, source->get(key));
  return tokens;
}

}  // namespace

Result<DirFd> openObjectVolume(const api::Pod& pod, const api::Volume& volume, const VolumeMaker& maker,
                               Stop& stop) {
  if (isKeptInMemory(volume)) {
    DirFd dir = TRY(maker.runtime.ensureTmpfs(maker.uid, volume.name, kTmpfsSize, kTmpfsMode, stop));
    TRY(giveTo(dir, pod, kTmpfsMode));
    return dir;
  }
  DirFd dir = TRY(maker.directory.fd().ensureDir("volumes", 0750));
  dir =
      TRY(dir.ensureDir(volume.config_map ? "kubernetes.io~configmap" : "kubernetes.io~downward-api", 0750));
  dir = TRY(dir.ensureDir(volume.name, kDiskMode));
  TRY(giveTo(dir, pod, kDiskMode));
  return dir;
}

Result<VolumeOutcome> writeObjectVolume(const api::Pod& pod, const api::Volume& volume,
                                        const VolumeMaker& maker, Stop& stop) {
  const DirFd dir = TRY(openObjectVolume(pod, volume, maker, stop));
  const Tokens tokens = askTokens(pod, volume, maker.tokens.get());
  const auto files = buildVolumeFiles({pod, maker.objects, tokens, maker.facts}, volume);
  if (!files) {
    if (!hasVolumeFiles(dir)) return files.error();
    return VolumeOutcome{VolumeWrite::kStale, files.error()};
  }
  const bool changed =
      TRY(writeVolumeFiles(dir, *files, VolumeOwner{pod.spec.security_context.fs_group}, maker.now));
  return VolumeOutcome{changed ? VolumeWrite::kWritten : VolumeWrite::kUnchanged, {}};
}

}  // namespace keelson::kubelet
