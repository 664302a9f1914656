// Where the sources and the build are: only tests need to know.
#pragma once

#include <string>

namespace keelson::test {

// The absolute path of a file of the source tree, of the build folder.
std::string sourcePath(const std::string& relative);
std::string buildPath(const std::string& relative);

}  // namespace keelson::test
