// args[0] to a path, with the words that users of Kubernetes know.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::runtime::init {

// The program `name` as Go's exec.LookPath finds it, for runc's users: with a slash as it stands, else in the
// directories of PATH in `env`. Errors, all the container's own fault:
//   exec: "x": executable file not found in $PATH          kNotFound
//   exec: "/x": stat /x: no such file or directory         kNotFound
//   exec: "/x": permission denied | is a directory         kInvalidArgument
Result<std::string> findExecutable(const std::string& name, const std::vector<std::string>& env);

// An errno in Go's words: "no such file or directory".
std::string errnoWords(int err);

// What a shell returns for a command that `findExecutable` or execve refused: 127 not found, else 126.
int exitCodeOf(const Error& error);

}  // namespace keelson::runtime::init
