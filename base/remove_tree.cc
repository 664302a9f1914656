// Removal of a whole tree that its former owner may have shaped with ill will.
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/fs.h"
#include "base/ids.h"

namespace keelson {
namespace {

// Descriptors held open at once. Deeper directories are moved up to the top of the tree and removed
// from there, so depth costs neither descriptors nor stack.
constexpr size_t kMaxOpenDirs = 48;
// Passes over one directory that still finds new entries, which means somebody keeps making them.
constexpr int kMaxPasses = 100;
// Entries looked at in one removal, beyond what a disk holds: somebody makes them faster than we remove.
constexpr uint64_t kMaxSteps = 1'000'000'000;
// Errors kept in the result; the rest is counted.
constexpr size_t kMaxErrors = 8;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// One directory on the way down.
struct Frame {
  std::unique_ptr<DIR, CloseDir> dir;
  std::string name;          // in the frame above
  bool left_behind = false;  // something in it could not be removed
  bool received = false;     // deep directories were moved here since this pass began
  int passes = 0;
};

// Walks down with a stack of open directories; belongs to one call of removeTree.
class TreeRemoval {
 public:
  TreeRemoval(int parent, std::string name) : parent_(parent), label_(std::move(name)) {}

  Result<void> run() {
    removeEntry(parent_, label_, DT_UNKNOWN);
    for (uint64_t steps = 0; !stack_.empty(); ++steps) {
      if (steps == kMaxSteps) {
        return makeError(Code::kResourceExhausted, "gave up after {} entries", kMaxSteps);
      }
      step();
    }
    if (failures_ > errors_.errors().size()) {
      errors_.add(makeError(Code::kInternal, "{} more entries of {} are left",
                            failures_ - errors_.errors().size(), label_));
    }
    return errors_.result();
  }

 private:
  // The next entry of the deepest directory, or its end.
  void step() {
    Frame& frame = stack_.back();
    errno = 0;
    const dirent* entry = ::readdir(frame.dir.get());
    if (entry == nullptr) {
      if (errno != 0) {
        fail(sysError("list {}", frame.name));
        frame.left_behind = true;
      }
      finish();
      return;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) return;
    const std::string name = entry->d_name;
    const int dir = ::dirfd(frame.dir.get());
    // `frame` may move when a directory is pushed.
    const size_t at = stack_.size() - 1;
    if (!removeEntry(dir, name, entry->d_type)) stack_[at].left_behind = true;
  }

  // Unlinks a file, or begins with a directory. False: it stays, and the reason is noted.
  bool removeEntry(int dir, const std::string& name, unsigned char type) {
    if (type != DT_DIR) {
      if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return true;
      if (errno != EISDIR) return fail(sysError("remove {}", name));
    }
    if (stack_.size() == kMaxOpenDirs) return moveUp(dir, name);
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    // RESOLVE_NO_XDEV stops at bind mounts of the same file system too, unlike comparing st_dev.
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how)));
    if (!fd && errno == ENOENT) return true;
    if (!fd && errno == EXDEV) {
      return fail(makeError(Code::kFailedPrecondition, "{} is a mount point and was left", name));
    }
    if (!fd) return fail(sysError("open directory {}", name));
    std::unique_ptr<DIR, CloseDir> handle(::fdopendir(fd.get()));
    if (!handle) return fail(sysError("list {}", name));
    fd.release();
    stack_.push_back({std::move(handle), name});
    return true;
  }

  // Moves a directory that lies too deep into the top directory, where a later pass finds it.
  bool moveUp(int dir, const std::string& name) {
    const std::string place = ".removed-" + randomHex(8);
    if (::renameat2(dir, name.c_str(), ::dirfd(stack_.front().dir.get()), place.c_str(), RENAME_NOREPLACE) <
        0) {
      return fail(sysError("move {} up for removal", name));
    }
    stack_.front().received = true;
    return true;
  }

  // The deepest directory was read to its end: remove it, or read it again.
  void finish() {
    Frame& frame = stack_.back();
    if (frame.received) {
      frame.received = false;
      ::rewinddir(frame.dir.get());
      return;
    }
    const bool top = stack_.size() == 1;
    const int above = top ? parent_ : ::dirfd(stack_[stack_.size() - 2].dir.get());
    bool gone = false;
    if (!frame.left_behind) {
      gone = ::unlinkat(above, frame.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
      if (!gone && errno == ENOTEMPTY && ++frame.passes < kMaxPasses) {
        ::rewinddir(frame.dir.get());
        return;
      }
      if (!gone) fail(sysError("remove directory {}", frame.name));
    }
    stack_.pop_back();
    if (!gone && !top) stack_.back().left_behind = true;
  }

  bool fail(Error error) {
    ++failures_;
    if (errors_.errors().size() < kMaxErrors) errors_.add(std::move(error));
    return false;
  }

  int parent_;
  std::string label_;
  std::vector<Frame> stack_;
  ErrorList errors_;
  size_t failures_ = 0;
};

}  // namespace

Result<void> DirFd::removeTree(const std::string& name) const {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return makeError(Code::kInvalidArgument, "\"{}\" is not the name of a directory entry", name);
  }
  TRY_CTX(TreeRemoval(fd_.get(), name).run(), "remove tree {}", name);
  return {};
}

}  // namespace keelson
