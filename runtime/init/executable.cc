#include "runtime/init/executable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

namespace keelson::runtime::init {
namespace {

// 0 or why `path` cannot be run. `is_stat`: the path could not even be looked at.
struct Refusal {
  int err = 0;
  bool is_stat = false;
};

Refusal checkExecutable(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) < 0) return {errno, true};
  if (S_ISDIR(status.st_mode)) return {EISDIR};
  if ((status.st_mode & 0111) == 0) return {EACCES};
  if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0) return {errno};
  return {};
}

std::string_view pathOf(const std::vector<std::string>& env) {
  constexpr std::string_view kPath = "PATH=";
  // execve passes duplicates on; the first one is what getenv(3) gives.
  for (const std::string& entry : env)
    if (entry.starts_with(kPath)) return std::string_view(entry).substr(kPath.size());
  return {};
}

}  // namespace

std::string errnoWords(int err) {
  const char* description = strerrordesc_np(err);
  std::string words = description != nullptr ? description : "errno " + std::to_string(err);
  if (words[0] >= 'A' && words[0] <= 'Z') words[0] = static_cast<char>(words[0] - 'A' + 'a');
  return words;
}

Result<std::string> findExecutable(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) {
    const Refusal refusal = checkExecutable(name);
    if (refusal.err == 0) return name;
    const bool missing = refusal.err == ENOENT || refusal.err == ENOTDIR;
    return Error{missing ? Code::kNotFound : Code::kInvalidArgument, refusal.err,
                 refusal.is_stat ? fmt::format("exec: \"{0}\": stat {0}: {1}", name, errnoWords(refusal.err))
                                 : fmt::format("exec: \"{}\": {}", name, errnoWords(refusal.err))};
  }
  std::string_view path = pathOf(env);
  while (!name.empty() && !path.empty()) {
    const size_t colon = path.find(':');
    const std::string_view directory = path.substr(0, colon);
    path = colon == std::string_view::npos ? std::string_view{} : path.substr(colon + 1);
    // An empty or relative entry means the working directory; Go refuses to run what it finds there.
    if (!directory.starts_with('/')) continue;
    std::string candidate = std::string(directory) + "/" + name;
    if (checkExecutable(candidate).err == 0) return candidate;
  }
  return makeError(Code::kNotFound, "exec: \"{}\": executable file not found in $PATH", name);
}

int exitCodeOf(const Error& error) { return error.code == Code::kNotFound ? 127 : 126; }

}  // namespace keelson::runtime::init
