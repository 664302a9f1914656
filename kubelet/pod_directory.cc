#include "kubelet/pod_directory.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "api/codec.h"
#include "base/json.h"

namespace keelson::kubelet {
namespace {

constexpr char kRecordFile[] = "keelson/status.json";
constexpr char kAllocatedFile[] = "keelson/allocated.json";
constexpr size_t kMaxAllocatedBytes = size_t{4} << 20;
constexpr size_t kMaxPodDirectories = 100'000;
constexpr char kRemovedPrefix[] = ".removed-";  // no uid starts with a dot
constexpr size_t kRemovedHexBytes = 4;

Result<DirFd> ensurePath(const DirFd& from, const std::vector<std::string>& names, mode_t mode) {
  DirFd dir = TRY(from.duplicate());
  for (const auto& name : names) dir = TRY(dir.ensureDir(name, mode));
  return dir;
}

}  // namespace

bool isSafeUid(std::string_view uid) {
  if (uid.empty() || uid.size() > 64 || uid.front() == '.') return false;
  return std::all_of(uid.begin(), uid.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<PodDirectory> PodDirectory::ensure(const std::string& root, const PodUid& uid) {
  const DirFd pods = TRY_CTX(DirFd::ensure(root + "/pods", 0750), "pod directories");
  return PodDirectory(TRY_CTX(pods.ensureDir(uid.str(), 0750), "pod directory {}", uid.str()));
}

Result<PodDirectory> PodDirectory::open(const std::string& root, const PodUid& uid) {
  const DirFd pods = TRY(DirFd::open(root + "/pods"));
  return PodDirectory(TRY(pods.openDir(uid.str())));
}

Result<PodRecord> PodDirectory::readRecord() const {
  const std::string text = TRY_CTX(dir_.readFile(kRecordFile, kMaxRecordBytes), "pod record");
  return decodeRecord(text);
}

Result<void> PodDirectory::writeRecord(const PodRecord& record) const {
  const DirFd own = TRY(dir_.ensureDir("keelson", 0700));
  return own.replaceFile("status.json", encodeRecord(record));
}

Result<api::PodPtr> PodDirectory::readAllocated() const {
  const std::string text = TRY_CTX(dir_.readFile(kAllocatedFile, kMaxAllocatedBytes), "allocated pod");
  const json::value value = TRY_CTX(parseJson(text, kMaxAllocatedBytes), "allocated pod");
  auto decoded = TRY_CTX(api::decode<api::Pod>(value), "allocated pod");
  return std::make_shared<const api::Pod>(std::move(decoded.value));
}

Result<void> PodDirectory::writeAllocated(const api::Pod& pod) const {
  const DirFd own = TRY(dir_.ensureDir("keelson", 0700));
  return own.replaceFile("allocated.json", json::serialize(api::encode(pod)));
}

Result<DirFd> PodDirectory::ensureEmptyDir(const std::string& volume, std::optional<int64_t> fs_group) const {
  const DirFd parent = TRY(ensurePath(dir_, {"volumes", "kubernetes.io~empty-dir"}, 0750));
  const bool is_new = !parent.openDir(volume).ok();
  DirFd dir = TRY(parent.ensureDir(volume, 0777));
  if (!is_new) return dir;
  // A new directory only: what a container set later is its own choice. chown clears setgid, so it comes
  // first.
  if (fs_group && ::fchown(dir.get(), static_cast<uid_t>(-1), static_cast<gid_t>(*fs_group)) != 0) {
    return sysError("give emptyDir {} to group {}", volume, *fs_group);
  }
  const mode_t mode = fs_group ? 02777 : 0777;  // the umask must not count
  if (::fchmod(dir.get(), mode) != 0) return sysError("mode of emptyDir {}", volume);
  return dir;
}

Result<UniqueFd> PodDirectory::putFile(const std::string& directory, const std::string& name,
                                       std::string_view content, mode_t mode) const {
  DirFd dir = TRY(dir_.duplicate());
  size_t from = 0;
  while (from < directory.size()) {
    const size_t slash = std::min(directory.find('/', from), directory.size());
    dir = TRY(dir.ensureDir(directory.substr(from, slash - from), 0750));
    from = slash + 1;
  }
  UniqueFd fd = TRY(dir.openBeneath(name, O_RDWR | O_CREAT | O_NOFOLLOW, mode));
  if (::fchmod(fd.get(), mode) != 0) return sysError("mode of {}", name);
  // Unchanged content is not written: a reader inside a container must not see the file empty for a moment.
  const auto present = readFd(fd.get(), content.size());
  if (present && *present == content) return fd;
  if (::ftruncate(fd.get(), 0) != 0) return sysError("truncate {}", name);
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return sysError("rewind {}", name);
  TRY_CTX(writeAll(fd.get(), content), "write {}", name);
  return fd;
}

std::string PodDirectory::terminationFile(const std::string& container, const ContainerId& id) {
  return "containers/" + container + "/" + id.str().substr(0, 8);
}

Result<std::vector<PodUid>> listPodDirectories(const std::string& root) {
  auto pods = DirFd::open(root + "/pods");
  if (!pods) {
    if (pods.error().code == Code::kNotFound) return std::vector<PodUid>{};
    return pods.error();
  }
  std::vector<PodUid> uids;
  for (const auto& entry : TRY(pods->list(kMaxPodDirectories))) {
    if (entry.type == DT_DIR && isSafeUid(entry.name)) uids.emplace_back(entry.name);
  }
  return uids;
}

Result<void> removePodDirectory(const std::string& root, const PodUid& uid) {
  auto pods = DirFd::open(root + "/pods");
  if (!pods) {
    if (pods.error().code == Code::kNotFound) return {};
    return pods.error();
  }
  const std::string mark = kRemovedPrefix + uid.str() + "-";
  const std::string aside = mark + randomHex(kRemovedHexBytes);
  // A tree that loses its record first would be taken for a pod that nobody deleted.
  if (::renameat(pods->get(), uid.str().c_str(), pods->get(), aside.c_str()) != 0 && errno != ENOENT) {
    return sysError("set pod directory {} aside", uid.str());
  }
  ErrorList errors;
  for (const auto& entry : TRY(pods->list(kMaxPodDirectories))) {
    const bool is_ours = entry.name.rfind(mark, 0) == 0 && entry.name.size() == aside.size();
    if (is_ours) errors.add(pods->removeTree(entry.name));
  }
  return errors.result();
}

Result<std::vector<std::string>> listRemovedPodTrees(const std::string& root) {
  std::vector<std::string> names;
  const auto pods = DirFd::open(root + "/pods");
  if (!pods) {
    if (pods.error().code == Code::kNotFound) return names;
    return pods.error();
  }
  for (const auto& entry : TRY(pods->list(kMaxPodDirectories))) {
    if (entry.name.rfind(kRemovedPrefix, 0) == 0) names.push_back(entry.name);
  }
  return names;
}

Result<void> removePodTree(const std::string& root, const std::string& name) {
  const DirFd pods = TRY(DirFd::open(root + "/pods"));
  return pods.removeTree(name);
}

}  // namespace keelson::kubelet
