// Files of a volume that change all at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"

namespace keelson::kubelet {

struct VolumeFile {
  std::string bytes;
  uint32_t mode = 0644;
  std::optional<int64_t> owner;  // root without one
  bool operator==(const VolumeFile&) const = default;
};

// By path below the volume: relative, '/' between its parts.
using VolumeFiles = std::map<std::string, VolumeFile>;

// kInvalidArgument unless the path is relative, stays below the volume (no "..", "." or empty part) and does
// not begin with "..", where the writer keeps its own. Pure.
Result<void> checkVolumePath(const std::string& path);

struct VolumeOwner {
  std::optional<int64_t> group;  // fsGroup: owns everything, directories become setgid
};

// Makes `volume` hold exactly `files`, as Kubernetes' atomic writer lays them out:
//
//   volume/..2026_11_21_15_04_05.1234567890/   the files as they are now, 0755
//   volume/..data -> ..2026_11_21_15_04_05.1234567890
//   volume/NAME -> ..data/NAME                 a link for each first part of a path
//
// New files are written aside and come into sight by one rename of "..data", so a reader sees the old or the
// new files and never a mixture; the old directory is removed after that. True if something changed; files
// that are already so are left alone, and what an earlier life left half done is finished or removed. The
// volume belongs to the node: containers must not be able to write to it. Blocking; strand of the pod.
Result<bool> writeVolumeFiles(const DirFd& volume, const VolumeFiles& files, const VolumeOwner& owner,
                              WallTime now);

// Whether files have come into sight there before.
bool hasVolumeFiles(const DirFd& volume);

}  // namespace keelson::kubelet
