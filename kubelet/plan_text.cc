#include "kubelet/pod_plan.h"

namespace keelson::kubelet {
namespace {

struct Renderer {
  std::string operator()(const RequestImage& a) const {
    return fmt::format("RequestImage {} for {}", a.image, a.container);
  }
  std::string operator()(const MakeSandbox& a) const { return fmt::format("MakeSandbox {}", a.attempt); }
  std::string operator()(const AttachNetwork&) const { return "AttachNetwork"; }
  std::string operator()(const PrepareVolumes&) const { return "PrepareVolumes"; }
  std::string operator()(const OpenMounts& a) const { return "OpenMounts " + a.container; }
  std::string operator()(const StartContainer& a) const {
    return fmt::format("StartContainer {} {}", a.container, a.attempt);
  }
  std::string operator()(const RunHook& a) const {
    return fmt::format("RunHook {} {}", a.container, hookName(a.kind));
  }
  std::string operator()(const StopContainer& a) const {
    return fmt::format("StopContainer {} signal {} grace {}", a.container, a.signal, formatDuration(a.grace));
  }
  std::string operator()(const RemoveContainer& a) const {
    return fmt::format("RemoveContainer {} {}", a.container, a.attempt);
  }
  std::string operator()(const TearDown& a) const {
    return a.why.empty() ? "TearDown" : fmt::format("TearDown ({})", a.why);
  }
  std::string operator()(const ReleasePod&) const { return "ReleasePod"; }
};

}  // namespace

std::string renderAction(const Action& action) { return std::visit(Renderer{}, action); }

std::string renderPlan(const Plan& plan, WallTime now) {
  std::string text;
  for (const auto& action : plan.actions) text += renderAction(action) + "\n";
  for (const auto& wait : plan.waits) text += "wait: " + wait + "\n";
  if (plan.wake_at) text += "wake in " + formatDuration(*plan.wake_at - now) + "\n";
  return text;
}

}  // namespace keelson::kubelet
