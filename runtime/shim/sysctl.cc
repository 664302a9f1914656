#include "runtime/shim/sysctl.h"

#include <algorithm>

namespace keelson::runtime::shim {
namespace {

// True if some part is "", "." or "..": the name would leave its place.
bool hasOddPart(const std::string& path) {
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return true;
    at = end + 1;
  }
  return false;
}

bool isOfIpcNamespace(const std::string& path) {
  return path.starts_with("kernel/shm") || path.starts_with("kernel/msg") || path == "kernel/sem" ||
         path.starts_with("fs/mqueue/");
}

}  // namespace

Result<std::string> sysctlFile(const std::string& name, const NamespacesPlan& namespaces) {
  std::string path = name;
  const size_t separator = name.find_first_of("./");
  if (separator != std::string::npos && name[separator] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  if (hasOddPart(path) || path.find('\0') != std::string::npos)
    return makeError(Code::kInvalidArgument, "sysctl \"{}\" is not a name", name);
  const bool net = path.starts_with("net/");
  if (!net && !isOfIpcNamespace(path))
    return makeError(Code::kInvalidArgument, "sysctl {} has no namespace of its own", name);
  if (net ? namespaces.host_network : namespaces.host_ipc)
    return makeError(Code::kInvalidArgument,
                     "sysctl {} would be the host's: the pod uses the host's {} namespace", name,
                     net ? "network" : "IPC");
  return "sys/" + path;
}

}  // namespace keelson::runtime::shim
