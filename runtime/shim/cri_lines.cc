#include "runtime/shim/cri_lines.h"

namespace keelson::runtime::shim {

std::string criPrefix(WallTime time, LogStream stream, bool partial) {
  std::string prefix = formatTimeNano(time);
  prefix += stream == LogStream::kStdout ? " stdout " : " stderr ";
  prefix += partial ? "P " : "F ";
  return prefix;
}

}  // namespace keelson::runtime::shim
