#include "runtime/shim_image.h"

#include <unistd.h>
#include <climits>

#include "kernel/process.h"

namespace keelson::runtime {
namespace {

Result<std::string> besideThisProgram() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0) return sysError("read /proc/self/exe");
  const std::string program(path, static_cast<size_t>(size));
  return program.substr(0, program.rfind('/')) + "/../libexec/keelson/keelson-shim";
}

}  // namespace

Result<std::shared_ptr<const UniqueFd>> sealShim(const std::string& path) {
  const std::string file = path.empty() ? TRY(besideThisProgram()) : path;
  auto sealed = TRY_CTX(kernel::sealExecutable(file), "shim {}", file);
  return std::make_shared<const UniqueFd>(std::move(sealed));
}

}  // namespace keelson::runtime
