// Which devices a container may open: without rules, CAP_MKNOD would give it the host's disks.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/plan.h"
#include "runtime/shim/cgroup_handles.h"

namespace keelson::runtime::shim {

struct DeviceRule {
  bool block = false;
  std::optional<uint32_t> major, minor;  // absent: any
  uint32_t access = 0;                   // BPF_DEVCG_ACC_*
};

// What an unprivileged container is allowed: to make any node, to use those of its /dev and the plan's. The
// same as https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices
std::vector<DeviceRule> buildDeviceRules(const ContainerPlan& plan);

// "c 1:3 rwm", a line for devices.allow.
// https://docs.kernel.org/admin-guide/cgroup-v1/devices.html
std::string renderDeviceRule(const DeviceRule& rule);
// A program for BPF_CGROUP_DEVICE that allows what some rule allows.
std::vector<bpf_insn> buildDeviceProgram(const std::vector<DeviceRule>& rules);

// Everything else is refused from now on, in this cgroup and below: by the v1 controller where there is
// one, else by a BPF program on the v2 directory, which ends with it.
Result<void> applyDeviceRules(const CgroupHandles& cgroup, const std::vector<DeviceRule>& rules);

}  // namespace keelson::runtime::shim
