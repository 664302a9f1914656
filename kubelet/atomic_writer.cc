#include "kubelet/atomic_writer.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <set>
#include <vector>

#include "base/ids.h"
#include "base/undo.h"

namespace keelson::kubelet {
namespace {

constexpr char kData[] = "..data";
constexpr char kNewData[] = "..data_tmp";
constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxEntries = 100'000;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kGroupDirectory = S_ISGID | 0550;

std::vector<std::string> parts(const std::string& path) {
  std::vector<std::string> out;
  size_t from = 0;
  while (true) {
    const size_t slash = path.find('/', from);
    out.push_back(path.substr(from, slash - from));
    if (slash == std::string::npos) return out;
    from = slash + 1;
  }
}

// The target of the link `name`, "" if it is no link or leads anywhere but to a directory of ours beside it.
std::string linkTarget(const DirFd& dir, const char* name) {
  std::string target(kMaxNameBytes + 1, '\0');
  const ssize_t size = ::readlinkat(dir.get(), name, target.data(), target.size());
  if (size <= 0 || static_cast<size_t>(size) > kMaxNameBytes) return "";
  target.resize(static_cast<size_t>(size));
  const bool is_ours = target.size() > 2 && target.starts_with("..") && target.find('/') == std::string::npos;
  return is_ours ? target : "";
}

// "..2026_11_21_15_04_05." and a random number.
std::string newDirectoryName(WallTime now) {
  const std::string time = formatTime(now);  // 2026-11-21T15:04:05Z
  std::string name = "..";
  for (const char c : time) {
    if (c == 'Z') continue;
    name += (c >= '0' && c <= '9') ? c : '_';
  }
  constexpr int kHex = 16;
  uint32_t number = 0;
  const std::string hex = randomHex(sizeof number);
  std::from_chars(hex.data(), hex.data() + hex.size(), number, kHex);
  return fmt::format("{}.{}", name, number);
}

class AtomicWriter {
 public:
  AtomicWriter(const DirFd& volume, const VolumeFiles& files, const VolumeOwner& owner)
      : volume_(volume), files_(files), owner_(owner) {}

  Result<bool> write(WallTime now) {
    for (const auto& [path, file] : files_) TRY(checkVolumePath(path));
    const std::string old = linkTarget(volume_, kData);
    const bool changes = old.empty() || !isWritten(old);
    std::string current = old;
    if (changes) {
      current = newDirectoryName(now);
      TRY(writeDirectory(current));
    }
    const bool linked = TRY(makeLinks());
    TRY(removeStale(current));
    return changes || linked;
  }

 private:
  Result<void> give(int fd, const std::string& what, const std::optional<int64_t>& user, mode_t mode) const {
    const auto id = [](const std::optional<int64_t>& one) {
      return one ? static_cast<uid_t>(*one) : static_cast<uid_t>(-1);
    };
    if ((user || owner_.group) && ::fchown(fd, id(user), id(owner_.group)) != 0) {
      return sysError("owner of {}", what);
    }
    if (::fchmod(fd, mode) != 0) return sysError("mode of {}", what);  // after chown, which clears setgid
    return {};
  }

  mode_t directoryMode(mode_t mode) const { return owner_.group ? mode | kGroupDirectory : mode; }

  // ---- compare ----

  bool isWritten(const std::string& directory) const {
    const auto dir = volume_.openDir(directory);
    if (!dir) return false;
    for (const auto& [path, file] : files_) {
      if (!sameFile(*dir, path, file)) return false;
    }
    const auto count = countFiles(*dir, 0);
    return count && *count == files_.size();
  }

  bool sameFile(const DirFd& dir, const std::string& path, const VolumeFile& file) const {
    const auto fd = dir.openBeneath(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return false;
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    if ((info.st_mode & 07777) != file.mode) return false;
    if (info.st_size != static_cast<off_t>(file.bytes.size())) return false;
    if (file.owner && info.st_uid != static_cast<uid_t>(*file.owner)) return false;
    if (owner_.group && info.st_gid != static_cast<gid_t>(*owner_.group)) return false;
    const auto bytes = readFd(fd->get(), file.bytes.size());
    return bytes && *bytes == file.bytes;
  }

  static Result<size_t> countFiles(const DirFd& dir, size_t depth) {
    if (depth > kMaxDepth) return makeError(Code::kResourceExhausted, "too many directories");
    size_t count = 0;
    for (const auto& entry : TRY(dir.list(kMaxEntries))) {
      count += entry.type == DT_DIR ? TRY(countFiles(TRY(dir.openDir(entry.name)), depth + 1)) : 1;
    }
    return count;
  }

  // ---- write ----

  Result<void> writeDirectory(const std::string& name) const {
    Undo undo;
    undo.push([&] { (void)volume_.removeTree(name); });
    const DirFd dir = TRY(makeDirectory(volume_, name));
    for (const auto& [path, file] : files_) TRY_CTX(writeFile(dir, path, file), "{}", path);
    TRY(volume_.removeFile(kNewData));
    if (::symlinkat(name.c_str(), volume_.get(), kNewData) != 0) return sysError("link {}", kNewData);
    if (::renameat(volume_.get(), kNewData, volume_.get(), kData) != 0)
      return sysError("rename {}", kNewData);
    undo.commit();
    return {};
  }

  Result<DirFd> makeDirectory(const DirFd& parent, const std::string& name) const {
    if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) {
      if (errno != EEXIST) return sysError("make {}", name);
      return parent.openDir(name);
    }
    DirFd dir = TRY(parent.openDir(name));
    TRY(give(dir.get(), name, std::nullopt, directoryMode(kDirectoryMode)));
    return dir;
  }

  Result<void> writeFile(const DirFd& dir, const std::string& path, const VolumeFile& file) const {
    const auto names = parts(path);
    DirFd at = TRY(dir.duplicate());
    for (size_t i = 0; i + 1 < names.size(); ++i) at = TRY(makeDirectory(at, names[i]));
    const UniqueFd fd = TRY(at.openBeneath(names.back(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(writeAll(fd.get(), file.bytes));
    return give(fd.get(), path, file.owner, static_cast<mode_t>(file.mode));
  }

  // ---- what is seen ----

  std::set<std::string> visibleNames() const {
    std::set<std::string> names;
    for (const auto& [path, file] : files_) names.insert(path.substr(0, path.find('/')));
    return names;
  }

  // True if one was missing.
  Result<bool> makeLinks() const {
    bool made = false;
    for (const auto& name : visibleNames()) {
      const std::string target = std::string(kData) + "/" + name;
      std::string found(target.size() + 1, '\0');
      const ssize_t size = ::readlinkat(volume_.get(), name.c_str(), found.data(), found.size());
      if (size == static_cast<ssize_t>(target.size()) && found.compare(0, target.size(), target) == 0)
        continue;
      TRY(volume_.removeTree(name));
      if (::symlinkat(target.c_str(), volume_.get(), name.c_str()) != 0) return sysError("link {}", name);
      if (owner_.group && ::fchownat(volume_.get(), name.c_str(), static_cast<uid_t>(-1),
                                     static_cast<gid_t>(*owner_.group), AT_SYMLINK_NOFOLLOW) != 0) {
        return sysError("owner of {}", name);
      }
      made = true;
    }
    return made;
  }

  // Names of keys that went, and directories that are no more the current one.
  Result<void> removeStale(const std::string& current) const {
    const auto wanted = visibleNames();
    for (const auto& entry : TRY(volume_.list(kMaxEntries))) {
      if (entry.name == kData || entry.name == current || wanted.count(entry.name)) continue;
      TRY_CTX(volume_.removeTree(entry.name), "remove {}", entry.name);
    }
    return {};
  }

  const DirFd& volume_;
  const VolumeFiles& files_;
  const VolumeOwner& owner_;
};

}  // namespace

Result<void> checkVolumePath(const std::string& path) {
  const auto bad = [&](const char* why) {
    return makeError(Code::kInvalidArgument, "invalid path \"{}\": {}", path, why);
  };
  if (path.empty()) return bad("must not be empty");
  if (path.size() > kMaxPathBytes) return bad("too long");
  if (path.find('\0') != std::string::npos) return bad("must not contain a NUL byte");
  if (path.front() == '/') return bad("must be a relative path");
  if (path.starts_with("..")) return bad("must not start with '..'");
  const auto names = parts(path);
  if (names.size() > kMaxDepth) return bad("has too many parts");
  for (const auto& name : names) {
    if (name.empty() || name == ".") return bad("must be in its shortest form");
    if (name == "..") return bad("must not contain '..'");
    if (name.size() > kMaxNameBytes) return bad("has a part that is too long");
  }
  return {};
}

Result<bool> writeVolumeFiles(const DirFd& volume, const VolumeFiles& files, const VolumeOwner& owner,
                              WallTime now) {
  return AtomicWriter(volume, files, owner).write(now);
}

bool hasVolumeFiles(const DirFd& volume) {
  const std::string current = linkTarget(volume, kData);
  return !current.empty() && volume.openDir(current).ok();
}

}  // namespace keelson::kubelet
