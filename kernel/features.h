// What the running kernel can do beyond the floor (6.1), by trying it.
#pragma once

#include "base/result.h"

namespace keelson::kernel {

// One field a feature newer than the floor; each has a fallback at the only place that asks for it.
struct Features {
  // fsconfig("lowerdir+", path) adds one overlay layer (6.7). Else: createOverlay() gives all layers in one
  // string, or through mount(2) when they are too many for one.
  bool overlay_append_layers = false;
  // fsconfig(FSCONFIG_SET_FD, "lowerdir+"), also with O_PATH descriptors (6.13, 6.15). Else: paths below
  // /proc/self/fd.
  bool overlay_layers_by_fd = false;
};

// The probed ones, or those of the innermost FeatureOverride. Probed at the first call. Any thread.
const Features& features();

// Pretends to be another kernel until destroyed, so that fallbacks are tested on any. Not nested across
// threads; only tests make one.
class FeatureOverride {
 public:
  explicit FeatureOverride(const Features& pretended);
  ~FeatureOverride();
  FeatureOverride(const FeatureOverride&) = delete;
  FeatureOverride& operator=(const FeatureOverride&) = delete;

 private:
  Features pretended_;
  const Features* outer_;
};

// kUnsupported names every system call of the floor that is missing here. For the start of the daemon.
Result<void> checkKernelFloor();

}  // namespace keelson::kernel
