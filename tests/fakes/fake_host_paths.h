// Host paths below a folder of the test, for tests of what stands above runtime::HostPaths.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/guarded.h"
#include "runtime/host_path.h"

namespace keelson::fakes {

// "The host" is the folder `root`. Types are checked and ...OrCreate made as the real one does; what
// comes back is an O_PATH descriptor of the object in place of a mount, so no privilege is needed. Any
// thread.
class FakeHostPaths : public runtime::HostPaths {
 public:
  explicit FakeHostPaths(std::string root) : root_(std::move(root)) {}

  // Calls for `path` end with kDeadlineExceeded, as on a dead file server.
  void hang(const std::string& path) {
    state_.with([&](State& state) { state.hung.insert(path); });
  }
  std::vector<runtime::HostPathRequest> requests() const {
    return state_.with([](const State& state) { return state.requests; });
  }

  Result<runtime::OpenedHostPath> open(const runtime::HostPathRequest& request, Stop& stop) override {
    TRY(stop.check("host path " + request.path));
    const bool hung = state_.with([&](State& state) {
      state.requests.push_back(request);
      return state.hung.count(request.path) > 0;
    });
    if (hung) return makeError(Code::kDeadlineExceeded, "host path {}: no answer", request.path);
    if (request.path.empty() || request.path[0] != '/') {
      return makeError(Code::kInvalidArgument, "host path \"{}\" is not absolute", request.path);
    }
    if (!isKnown(request.type)) {
      return makeError(Code::kInvalidArgument, "hostPath type \"{}\" is unknown", request.type);
    }
    const std::string path = root_ + request.path;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      if (request.type.empty() || request.type == "DirectoryOrCreate") {
        TRY(DirFd::ensure(path));
      } else if (request.type == "FileOrCreate") {
        const UniqueFd made(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        if (!made) return sysError("make {}", request.path);
      } else {
        return typeError(request, word(request.type));
      }
      if (::stat(path.c_str(), &info) != 0) return sysError("stat {}", request.path);
    }
    if (!matches(request.type, info.st_mode)) return typeError(request, word(request.type));
    UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd) return sysError("open {}", request.path);
    if (!request.sub_path.empty()) {
      const DirFd volume(std::move(fd));
      for (size_t at = request.sub_path.find('/');; at = request.sub_path.find('/', at + 1)) {
        const std::string part = request.sub_path.substr(0, at);
        if (::mkdirat(volume.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
          return sysError("make {} below {}", part, request.path);
        }
        if (at == std::string::npos) break;
      }
      fd = TRY_CTX(volume.openBeneath(request.sub_path, O_PATH), "subPath {}", request.sub_path);
      if (::fstat(fd.get(), &info) != 0) return sysError("stat {}", request.sub_path);
    }
    return runtime::OpenedHostPath{std::move(fd), S_ISDIR(info.st_mode)};
  }

 private:
  struct State {
    std::set<std::string> hung;
    std::vector<runtime::HostPathRequest> requests;
  };

  static bool isKnown(const std::string& type) {
    const std::set<std::string> types = {"",       "Directory",  "DirectoryOrCreate", "File", "FileOrCreate",
                                         "Socket", "CharDevice", "BlockDevice"};
    return types.count(type) > 0;
  }
  static bool matches(const std::string& type, mode_t mode) {
    if (type == "Directory" || type == "DirectoryOrCreate") return S_ISDIR(mode);
    if (type == "File" || type == "FileOrCreate") return S_ISREG(mode);
    if (type == "Socket") return S_ISSOCK(mode);
    if (type == "CharDevice") return S_ISCHR(mode);
    if (type == "BlockDevice") return S_ISBLK(mode);
    return true;
  }
  static std::string word(const std::string& type) {
    if (type.find("Directory") == 0) return "directory";
    if (type.find("File") == 0) return "file";
    if (type == "Socket") return "socket file";
    if (type == "CharDevice") return "character device";
    return "block device";
  }
  static Error typeError(const runtime::HostPathRequest& request, const std::string& what) {
    return makeError(Code::kFailedPrecondition, "hostPath type check failed: {} is not a {}", request.path,
                     what);
  }

  const std::string root_;
  Guarded<State> state_;
};

}  // namespace keelson::fakes
