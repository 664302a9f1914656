// Tests on the real kernel, each in a world of its own.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernel/cgroup.h"

namespace keelson::test {

// What a root test's body is given. Made by runInWorld(), lives as long as the body.
struct RootWorld {
  kernel::CgroupHierarchies hierarchies;  // of this host
  // A cgroup path, unique and present in each hierarchy: make what you like below it. The test itself runs in
  // its child "self", so that on v2 the others may have controllers (the rule of no internal processes).
  std::string cgroup;
  std::string scratch;  // an empty tmpfs directory
};

using RootTestBody = void (*)(RootWorld& world);

// Runs `body` in a child that is PID 1 of new mount, net, pid, ipc and uts namespaces (mounts private, a
// fresh /proc, loopback up) and in a cgroup of its own: its end ends everything it started, and cgroup and
// scratch are removed whatever happens, also when the test binary itself is killed. Its failures are printed
// and fail the calling test; GTEST_SKIP inside skips it; the deadline below kills it. Without root the test
// is skipped. Call it from a test binary that has started no threads.
void runInWorld(RootTestBody body);

inline constexpr int kRootTestDeadlineSeconds = 60;

}  // namespace keelson::test

// TEST() whose body runs in its own world, with `world` in scope.
#define ROOT_TEST(Suite, Name)                                                  \
  static void Suite##_##Name##_InWorld(::keelson::test::RootWorld& world);      \
  TEST(Suite, Name) { ::keelson::test::runInWorld(&Suite##_##Name##_InWorld); } \
  static void Suite##_##Name##_InWorld([[maybe_unused]] ::keelson::test::RootWorld& world)
