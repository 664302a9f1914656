// Does what a plan says for one pod.
#pragma once

#include "kubelet/pod_images.h"
#include "kubelet/pod_plan.h"
#include "kubelet/pod_state.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// Thin: each action is one or a few calls into runtime, network, volumes; what became of it goes into
// `state`, its events and its timeline. Home: strand of the pod; no call blocks beyond kCallDeadline.
// `resume` brings back the results of what runs elsewhere.
class PodActions {
 public:
  PodActions(PodState& state, WorkerContextPtr context) : state_(state), context_(std::move(context)) {}
  // Before the first run().
  void setResume(Resume resume) { resume_ = std::move(resume); }

  enum class Outcome {
    kDone,
    kFailed,
    kStopPlan,  // failed, and the actions after it rest on it
  };
  Outcome run(const Action& action);
  // Writes record and spec unless they are as they were saved last.
  void save();

 private:
  Result<void> act(const RequestImage& action);
  Result<void> act(const MakeSandbox& action);
  Result<void> act(const AttachNetwork& action);
  Result<void> act(const PrepareVolumes& action);
  Result<void> act(const OpenMounts& action);
  Result<void> act(const StartContainer& action);
  Result<void> act(const RunHook& action);
  Result<void> act(const StopContainer& action);
  Result<void> act(const RemoveContainer& action);
  Result<void> act(const TearDown& action);
  Result<void> act(const ReleasePod& action);

  Result<runtime::SandboxRequest> sandboxRequest(uint32_t attempt) const;
  Result<void> createSandbox(uint32_t attempt);
  Result<void> attach();
  // The instance of this attempt becomes the newest one, after a restart with the next back-off.
  InstanceRecord& noteInstance(const api::Container& container, const runtime::Image& image,
                               const ContainerId& id, uint32_t attempt, WallTime started_at);
  Error neverStarted(const api::Container& container, InstanceRecord& instance, const std::string& message);
  // Tells the shim: the signal now (0: none yet), SIGKILL after `grace`.
  Result<void> tellStop(const std::string& container, const ContainerId& id, int signal, Duration grace);
  // The newest instance with this id, or nullptr.
  InstanceRecord* findInstance(const ContainerId& id);
  Error startFailed(const std::string& container, const std::string& reason, const std::string& message);
  void podFailed(const std::string& reason, const std::string& message);
  WallTime now() const { return context_->deps.clock.wall(); }
  Stop callStop() const { return Stop(kCallDeadline); }

  PodState& state_;
  WorkerContextPtr context_;
  Resume resume_;
  std::optional<PodRecord> saved_;
  api::PodPtr saved_pod_;
};

}  // namespace keelson::kubelet
