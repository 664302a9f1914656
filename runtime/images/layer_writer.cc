#include "runtime/images/layer_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_set>

#include "runtime/images/beneath.h"
#include "runtime/images/entry_metadata.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kShownBytes = 300;
// Path text kept until finish(): a hostile layer could otherwise spend memory on long names.
constexpr size_t kMaxDirPathBytes = size_t{64} << 20;

}  // namespace

LayerWriter::LayerWriter(const DirFd& root, const UnpackLimits& limits)
    : root_(root), limits_(limits), parents_(root.get(), static_cast<size_t>(limits.inodes)) {}

Result<void> LayerWriter::add(const TarEntry& entry, TarReader& content) {
  if (paths_moved_) parents_.clear();
  paths_moved_ = false;
  if (++entries_ > limits_.inodes)
    return makeError(Code::kResourceExhausted, "layer has more than {} entries", limits_.inodes);
  const auto at = TRY(readEntryPath(entry.path));
  switch (at.meaning) {
    case EntryMeaning::kIgnored:
      return {};
    case EntryMeaning::kRoot:
      TRY_CTX(addRoot(entry), "/");
      return {};
    default:
      break;
  }
  const int parent = TRY(parents_.open(at.parent));
  auto written = [&]() -> Result<void> {
    if (at.meaning == EntryMeaning::kOpaque) return setOpaque(parent);
    if (at.meaning == EntryMeaning::kWhiteout) return addWhiteout(at, parent);
    return addPlain(at, parent, entry, content);
  }();
  if (!written) return std::move(written).error().withContext(at.full().substr(0, kShownBytes));
  return {};
}

Result<void> LayerWriter::addPlain(const EntryPath& at, int parent, const TarEntry& entry,
                                   TarReader& content) {
  switch (entry.kind) {
    case EntryKind::kRegular:
      return addFile(at, parent, entry, content);
    case EntryKind::kDirectory:
      return addDirectory(at, parent, entry);
    case EntryKind::kHardLink:
      return addHardLink(at, parent, entry);
    case EntryKind::kSymlink:
    case EntryKind::kCharDevice:
    case EntryKind::kBlockDevice:
    case EntryKind::kFifo:
      return addNode(at, parent, entry);
    case EntryKind::kOther:
      return {};  // sockets and unknown types mean nothing in an image
  }
  return {};
}

Result<void> LayerWriter::addRoot(const TarEntry& entry) {
  if (entry.kind != EntryKind::kDirectory) return makeError(Code::kDataLoss, "the root is not a directory");
  TRY(describe(root_.get(), entry));
  return noteDirTime("", entry.mtime);
}

Result<void> LayerWriter::createReplacing(const EntryPath& at, int parent,
                                          const std::function<int()>& create) {
  if (create() == 0) return {};
  if (errno != EEXIST) return sysError("create");
  TRY(removeExisting(at, parent));
  if (create() != 0) return sysError("create");
  return {};
}

Result<void> LayerWriter::removeExisting(const EntryPath& at, int parent) {
  struct stat status {};
  if (fstatat(parent, at.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return sysError("replace");
  // Cached parents may lie below a directory or behind a link that goes; `parent` itself does not.
  paths_moved_ = paths_moved_ || S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode);
  if (!S_ISDIR(status.st_mode)) {
    if (unlinkat(parent, at.name.c_str(), 0) != 0) return sysError("replace");
    return {};
  }
  const DirFd directory(UniqueFd(fcntl(parent, F_DUPFD_CLOEXEC, 0)));
  if (!directory.valid()) return sysError("replace");
  return directory.removeTree(at.name);
}

Result<void> LayerWriter::addFile(const EntryPath& at, int parent, const TarEntry& entry,
                                  TarReader& content) {
  if (entry.size < 0 || entry.size > limits_.bytes - bytes_)
    return makeError(Code::kResourceExhausted, "layer unpacks to more than {} bytes", limits_.bytes);
  bytes_ += entry.size;
  UniqueFd fd;
  TRY(createReplacing(at, parent, [&] {
    fd = openChild(parent, at.name, O_WRONLY | O_CREAT | O_EXCL, entry.mode & 0777);
    return fd ? 0 : -1;
  }));
  int64_t end = 0;
  while (auto piece = TRY(content.data())) {
    if (piece->offset < end) return makeError(Code::kDataLoss, "pieces of a sparse file overlap");
    if (piece->offset > end && lseek(fd.get(), piece->offset, SEEK_SET) < 0) return sysError("seek");
    TRY_CTX(writeAll(fd.get(), piece->bytes), "write");
    end = piece->offset + static_cast<int64_t>(piece->bytes.size());
  }
  if (end > entry.size) return makeError(Code::kDataLoss, "content is longer than the header says");
  if (end < entry.size && ftruncate(fd.get(), entry.size) != 0) return sysError("grow");
  TRY(describe(fd.get(), entry));
  return setTimes(fd.get(), entry.mtime);
}

Result<void> LayerWriter::addDirectory(const EntryPath& at, int parent, const TarEntry& entry) {
  bool hides_lower = false;
  if (mkdirat(parent, at.name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return sysError("create");
    struct stat status {};
    if (fstatat(parent, at.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return sysError("create");
    if (!S_ISDIR(status.st_mode)) {
      hides_lower = isWhiteout(parent, at.name);
      TRY(removeExisting(at, parent));
      if (mkdirat(parent, at.name.c_str(), 0700) != 0) return sysError("create");
    }
  }
  auto fd = openChild(parent, at.name, O_RDONLY | O_DIRECTORY);
  if (!fd) return sysError("open");
  if (hides_lower) TRY(setOpaque(fd.get()));
  TRY(describe(fd.get(), entry));
  return noteDirTime(at.full(), entry.mtime);
}

Result<void> LayerWriter::noteDirTime(std::string path, const timespec& mtime) {
  dir_path_bytes_ += path.size();
  if (dir_path_bytes_ > kMaxDirPathBytes)
    return makeError(Code::kResourceExhausted, "names of directories take more than {} bytes",
                     kMaxDirPathBytes);
  dir_times_.push_back({std::move(path), mtime});
  return {};
}

Result<void> LayerWriter::addHardLink(const EntryPath& at, int parent, const TarEntry& entry) {
  const auto shown = entry.link.substr(0, kShownBytes);
  const auto target = TRY(readEntryPath(entry.link));
  if (target.meaning != EntryMeaning::kPlain) return makeError(Code::kDataLoss, "hard link to \"{}\"", shown);
  if (target.full() == at.full()) return {};
  const auto target_parent = openInRoot(root_.get(), target.parent, O_RDONLY | O_DIRECTORY);
  if (!target_parent) return sysError("hard link to {}", shown);
  // Flag 0: a link that is the target is linked itself, not what it points to.
  const auto create = [&] {
    return linkat(target_parent.get(), target.name.c_str(), parent, at.name.c_str(), 0);
  };
  if (create() == 0) return {};
  if (errno == EEXIST) {
    struct stat here {
    }, there{};
    if (fstatat(target_parent.get(), target.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
      return sysError("hard link to {}", shown);
    const bool same =
        fstatat(parent, at.name.c_str(), &here, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == there.st_ino;
    if (same) return {};
    TRY(removeExisting(at, parent));
    if (create() == 0) return {};
  }
  return sysError("hard link to {}", shown);
}

Result<void> LayerWriter::addNode(const EntryPath& at, int parent, const TarEntry& entry) {
  const auto owner = TRY(ownerOf(entry));
  const bool is_link = entry.kind == EntryKind::kSymlink;
  mode_t type = S_IFIFO;
  dev_t device = 0;
  if (entry.kind == EntryKind::kCharDevice || entry.kind == EntryKind::kBlockDevice) {
    if (entry.device_major < 0 || entry.device_major > 0xfff || entry.device_minor < 0 ||
        entry.device_minor > 0xfffff)
      return makeError(Code::kDataLoss, "device {}:{} does not exist", entry.device_major,
                       entry.device_minor);
    type = entry.kind == EntryKind::kCharDevice ? S_IFCHR : S_IFBLK;
    device = makedev(static_cast<unsigned>(entry.device_major), static_cast<unsigned>(entry.device_minor));
  }
  TRY(createReplacing(at, parent, [&] {
    return is_link ? symlinkat(entry.link.c_str(), parent, at.name.c_str())
                   : mknodat(parent, at.name.c_str(), type | 0600, device);
  }));
  if (fchownat(parent, at.name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return sysError("chown");
  // Not a link (checked above), and nobody else writes here: fchmodat cannot be led away.
  if (!is_link && fchmodat(parent, at.name.c_str(), entry.mode, 0) != 0) return sysError("chmod");
  const timespec times[2] = {entry.mtime, entry.mtime};
  if (utimensat(parent, at.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return sysError("set times");
  return {};
}

Result<void> LayerWriter::addWhiteout(const EntryPath& at, int parent) {
  auto made = makeWhiteout(parent, at.name);
  if (made || made.error().sys != EEXIST) return made;
  // This layer holds the name itself: a file already hides what is below, a directory must be told to.
  const auto directory = openChild(parent, at.name, O_RDONLY | O_DIRECTORY);
  return directory ? setOpaque(directory.get()) : Result<void>();
}

Result<void> LayerWriter::finish() {
  for (const auto& dir : dir_times_) {
    // What was a directory may have become something else since.
    const auto fd = openInRoot(root_.get(), dir.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd) TRY_CTX(setTimes(fd.get(), dir.mtime), "{}", dir.path.substr(0, kShownBytes));
  }
  return {};
}

std::vector<std::string> LayerWriter::implicitDirs() {
  std::unordered_set<std::string> described;
  for (const auto& dir : dir_times_) described.insert(dir.path);
  std::vector<std::string> implicit;
  for (auto& path : parents_.made())
    if (!described.contains(path)) implicit.push_back(std::move(path));
  return implicit;
}

}  // namespace keelson::runtime::images
