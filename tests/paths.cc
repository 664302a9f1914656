#include "tests/paths.h"

namespace keelson::test {

std::string sourcePath(const std::string& relative) {
  return std::string(KEELSON_SOURCE_DIR) + "/" + relative;
}
std::string buildPath(const std::string& relative) {
  return std::string(KEELSON_BINARY_DIR) + "/" + relative;
}

}  // namespace keelson::test
