// The manifest folder as a whole: files in, pods and objects out.
#pragma once

#include <sys/stat.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/kubelet.h"
#include "kubelet/object_store.h"
#include "kubelet/static_pod.h"

namespace keelson::kubelet {

// One look at the folder, immutable. Any thread.
struct ManifestSnapshot {
  struct Entry {
    api::PodPtr pod;
    std::string file;
  };
  std::vector<Entry> pods;  // each uid and each namespace/name once
  ObjectStorePtr objects;
  std::vector<ManifestView> views;
  bool unsettled = false;  // a file was changing: look again soon
};

inline constexpr size_t kMaxManifestFiles = 10'000;

// Reads the folder and remembers the last good content of each file: a file that breaks keeps what it said, a
// file that is gone takes its objects along. Names that start with a dot and sub-directories are ignored;
// `path` may be a single file. Home: one strand.
class ManifestFolder {
 public:
  ManifestFolder(std::string path, std::string node_name);

  // What an earlier life had read from `entry.file` and still runs: the last good content of that file until
  // it is read. Before the first scan(). Files elsewhere are ignored.
  void seed(const ManifestSnapshot::Entry& entry);

  // An error only if the folder itself cannot be read: then the last snapshot holds. A changed file is read
  // when its name is in `complete` (its writer has closed it) or when it looks the same as in the look
  // before: a half-written file is never taken for a whole one.
  Result<std::shared_ptr<const ManifestSnapshot>> scan(const std::set<std::string>& complete, WallTime now);

 private:
  struct Signature {  // of a file's state, from stat(2)
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{}, changed{};
    bool operator==(const Signature& other) const;
  };
  struct File {
    Signature seen;  // at the last look
    Signature read;  // of what was read; differs from `seen` while the file changes
    bool was_read = false;
    ManifestContent good;
    std::string error;
    WallTime read_at;
  };

  Result<std::map<std::string, Signature>> list() const;
  void readFile(const std::string& name, File& file, WallTime now);
  void keepUnchanged(const ManifestContent& before, ManifestContent& after) const;
  std::shared_ptr<const ManifestSnapshot> combine(bool unsettled);
  std::string pathOf(const std::string& name) const;

  const std::string path_;
  const std::string node_name_;
  bool single_file_ = false;
  bool first_ = true;
  std::map<std::string, File> files_;
  std::set<std::string> accepted_;  // uids in use, with the file that gave them: these win over newcomers
};

}  // namespace keelson::kubelet
