// Runs a program of the host to its end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"

namespace keelson::proxy {

struct ProgramResult {
  int status = 0;  // of exit(2); 128 + signal when killed by one
  std::string out, err;
};

// `name` is looked for in the system's program folders; kNotFound if it is in none. Killed at the deadline.
// Output beyond some megabytes is an error. Blocks.
Result<ProgramResult> runProgram(const std::string& name, const std::vector<std::string>& args,
                                 std::string_view input, Stop& stop);

}  // namespace keelson::proxy
