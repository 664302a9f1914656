// The container init as a list of named steps.
#pragma once

#include <span>

#include "base/result.h"
#include "runtime/init/init_context.h"

namespace keelson::runtime::init {

// Whose fault a failing step is: decides the error's code (runtime.h, startContainer).
enum class Fault {
  kNode,       // never kInvalidArgument or kNotFound, whatever the errno
  kContainer,  // always one of those two: user, command or directory of the container
  kAsIs,
};

struct InitStep {
  const char* name;  // in front of the error: "mount proc: EPERM (...)"; "": the text stands alone
  Fault fault;
  Result<void> (*run)(InitContext&);
};

// From the fresh child to execve, in the order that security needs; see README.md.
std::span<const InitStep> containerSteps();
std::span<const InitStep> execSteps();

// Runs the steps; the last one is execve. A failure goes into the channel. Never returns.
[[noreturn]] void runInit(std::span<const InitStep> steps, InitContext& context);

// The error as the daemon shall see it.
Error stepError(const InitStep& step, Error error);

}  // namespace keelson::runtime::init
