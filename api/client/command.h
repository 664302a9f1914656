// Runs a credential plugin: one program, its output, a deadline.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"

namespace keelson::api::client {

struct Command {
  std::string program;  // by PATH if it has no "/"
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // on top of this process's own
  size_t max_output = size_t{1} << 20;
};

// Blocks until the program ended and gives its standard output; standard input is empty. A program that
// outlives `stop` or says more than max_output is killed with its process group. Errors carry the end of its
// standard error: kUnavailable for a status other than 0, kNotFound if there is no such program.
Result<std::string> runCommand(const Command& command, const Stop& stop);

}  // namespace keelson::api::client
