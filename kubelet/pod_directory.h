// The files of one pod below the kubelet's root.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/fs.h"
#include "base/ids.h"
#include "base/result.h"
#include "kubelet/pod_record.h"

namespace keelson::kubelet {

// A handle on one pod's folder; closing it changes nothing. Strand of the pod.
//
//   <root>/pods/.removed-<uid>-<8 hex>/   what is being removed; no pod any more
//   <root>/pods/<uid>/
//     volumes/kubernetes.io~empty-dir/<volume>/
//     containers/<container>/<8 hex of the instance>   termination message
//     etc-hosts
//     keelson/status.json       PodRecord
//     keelson/allocated.json    the pod as it was admitted
//     keelson/{resolv.conf,hostname}
class PodDirectory {
 public:
  PodDirectory() = default;
  // Makes the folder unless it is there.
  static Result<PodDirectory> ensure(const std::string& root, const PodUid& uid);
  // kNotFound if there is none.
  static Result<PodDirectory> open(const std::string& root, const PodUid& uid);

  bool valid() const { return dir_.valid(); }
  const DirFd& fd() const { return dir_; }

  // kNotFound: never saved. kDataLoss: cannot be understood; the caller starts anew.
  Result<PodRecord> readRecord() const;
  Result<void> writeRecord(const PodRecord& record) const;
  Result<api::PodPtr> readAllocated() const;
  Result<void> writeAllocated(const api::Pod& pod) const;

  // The directory of a disk emptyDir, mode 0777; with a group it is setgid and belongs to that group.
  Result<DirFd> ensureEmptyDir(const std::string& volume, std::optional<int64_t> fs_group) const;
  // An existing file's content is replaced in place, so that containers that have it mounted see the new one.
  Result<UniqueFd> putFile(const std::string& directory, const std::string& name, std::string_view content,
                           mode_t mode) const;
  // Path below this folder of the instance's termination message.
  static std::string terminationFile(const std::string& container, const ContainerId& id);

 private:
  explicit PodDirectory(DirFd dir) : dir_(std::move(dir)) {}
  DirFd dir_;
};

// Uids that have a folder. An absent root has none.
Result<std::vector<PodUid>> listPodDirectories(const std::string& root);
// Volumes, files and record: all are out of sight at once (".removed-<uid>-<8 hex>"), however long the rest
// takes. Mount points below are left and reported. Fine if absent.
Result<void> removePodDirectory(const std::string& root, const PodUid& uid);
// The trees whose removal an earlier life did not finish; removePodTree() takes one. An absent root has none.
Result<std::vector<std::string>> listRemovedPodTrees(const std::string& root);
Result<void> removePodTree(const std::string& root, const std::string& name);

// Whether a uid may name a folder: letters, digits, '-', '_' and '.', not starting with '.', at most 64 long.
bool isSafeUid(std::string_view uid);

}  // namespace keelson::kubelet
