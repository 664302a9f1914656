#include "kubelet/stats/tree_usage.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <vector>

namespace keelson::kubelet::stats {
namespace {

// Directories above this depth stay open; below it the walk goes back by "..", compared by inode.
constexpr size_t kHeldLevels = 32;
constexpr uint64_t kStopEvery = 256;  // entries between two looks at the deadline
constexpr int kBlockBytes = 512;      // of st_blocks, whatever the file system's own size

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

class Walk {
 public:
  Walk(const TreeLimits& limits, Stop& stop) : limits_(limits), stop_(stop) {}

  DiskUsage run(const DirFd& top) {
    enter(UniqueFd(::openat(top.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    while (!frames_.empty() && !ended_) {
      if (frames_.back().pending.empty()) {
        leave();
        continue;
      }
      const std::string name = std::move(frames_.back().pending.back());
      frames_.back().pending.pop_back();
      --pending_;
      descend(name);
    }
    return usage_;
  }

 private:
  struct Frame {
    UniqueFd fd;  // invalid while the walk is deeper and this one is not held
    dev_t device = 0;
    ino_t inode = 0;
    std::vector<std::string> pending;
  };

  void end() {
    usage_.complete = false;
    ended_ = true;
  }

  void descend(const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    UniqueFd child(
        static_cast<int>(::syscall(SYS_openat2, frames_.back().fd.get(), name.c_str(), &how, sizeof how)));
    if (child) return enter(std::move(child));
    // Gone, replaced, or another file system mounted there: not of this tree.
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV) return;
    usage_.complete = false;
  }

  void enter(UniqueFd fd) {
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) < 0) {
      usage_.complete = false;
      return;
    }
    if (frames_.empty()) device_ = info.st_dev;
    if (frames_.size() > kHeldLevels) frames_.back().fd.reset();
    add(info);
    frames_.push_back({std::move(fd), info.st_dev, info.st_ino, {}});
    list(frames_.back());
  }

  void leave() {
    UniqueFd child = std::move(frames_.back().fd);
    frames_.pop_back();
    if (frames_.empty() || frames_.back().fd) return;
    Frame& parent = frames_.back();
    parent.fd = UniqueFd(::openat(child.get(), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    const bool same = parent.fd && ::fstat(parent.fd.get(), &info) == 0 && info.st_dev == parent.device &&
                      info.st_ino == parent.inode;
    if (!same) end();  // moved under our feet
  }

  void list(Frame& frame) {
    UniqueFd again(::openat(frame.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, CloseDir> dir(again ? ::fdopendir(again.get()) : nullptr);
    if (!dir) {
      usage_.complete = false;
      return;
    }
    again.release();
    while (!ended_) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) {
        if (errno != 0) usage_.complete = false;
        return;
      }
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") visit(frame, entry->d_name);
    }
  }

  void visit(Frame& frame, const char* name) {
    if (++entries_ > limits_.max_entries || (entries_ % kStopEvery == 0 && !stop_.check("walk")))
      return end();
    struct stat info {};
    if (::fstatat(frame.fd.get(), name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) return;
    if (info.st_dev != device_) return;
    if (S_ISDIR(info.st_mode)) {
      if (pending_ >= limits_.max_pending) return end();
      frame.pending.emplace_back(name);
      ++pending_;
      return;
    }
    if (info.st_nlink > 1) {
      if (links_.count(info.st_ino) > 0) return;
      if (links_.size() < limits_.max_links) links_.insert(info.st_ino);
    }
    add(info);
  }

  void add(const struct stat& info) {
    usage_.bytes.value += static_cast<int64_t>(info.st_blocks) * kBlockBytes;
    ++usage_.inodes;
  }

  const TreeLimits& limits_;
  Stop& stop_;
  DiskUsage usage_;
  std::vector<Frame> frames_;
  std::set<ino_t> links_;
  dev_t device_ = 0;
  uint64_t entries_ = 0;
  size_t pending_ = 0;
  bool ended_ = false;
};

}  // namespace

DiskUsage measureTree(const DirFd& top, const TreeLimits& limits, Stop& stop) {
  return Walk(limits, stop).run(top);
}

bool TreeUsageCache::isFresh(const Entry& entry, SteadyTime now) {
  if (entry.final) return true;
  return now - entry.measured < std::clamp<Duration>(entry.took * kRestFactor, kMinAge, kMaxAge);
}

Result<DiskUsage> TreeUsageCache::measure(const std::string& path, Content content, Stop& stop) {
  const SteadyTime begin = clock_.steady();
  const auto known = entries_.with([&](auto& entries) -> std::optional<Entry> {
    std::erase_if(entries, [&](const auto& each) { return begin - each.second.asked > kForgetAfter; });
    const auto found = entries.find(path);
    if (found == entries.end()) return std::nullopt;
    found->second.asked = begin;
    return found->second;
  });
  // A late answer is better than none: what was measured before stands for what there is no time to measure.
  if (known && (isFresh(*known, begin) || stop.expired() || stop.cancelled())) return known->usage;

  const DirFd top = TRY(DirFd::open(path));
  DiskUsage usage = measureTree(top, limits_, stop);
  usage.at = clock_.wall();
  if (!usage.complete && known && known->usage.bytes > usage.bytes) {
    usage.bytes = known->usage.bytes;
    usage.inodes = std::max(known->usage.inodes, usage.inodes);
  }
  const SteadyTime end = clock_.steady();
  const bool final = content == Content::kFinal && usage.complete;
  entries_.with([&](auto& entries) { entries[path] = {usage, final, end, end, end - begin}; });
  return usage;
}

size_t TreeUsageCache::size() const {
  return entries_.with([](const auto& entries) { return entries.size(); });
}

}  // namespace keelson::kubelet::stats
