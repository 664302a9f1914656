#include "kubelet/pod_images.h"

#include <fmt/ranges.h>

#include "base/log.h"

namespace keelson::kubelet {
namespace {

using ImagePtr = std::shared_ptr<const runtime::Image>;

uint32_t nextAttempt(const PodState& state, const std::string& container) {
  const auto known = state.record.containers.find(container);
  return known == state.record.containers.end() ? 0 : known->second.next_attempt;
}

bool runs(const PodState& state, const std::string& container) {
  const auto known = state.record.containers.find(container);
  return known != state.record.containers.end() && known->second.current && !known->second.current->exit;
}

template <class Use>
void eachContainer(const PodState& state, Use use) {
  for (const auto* list : {&state.pod->spec.init_containers, &state.pod->spec.containers}) {
    for (const auto& container : *list) use(container);
  }
}

ImageObservation look(const WorkerContext& context, const std::string& image) {
  const auto found = context.deps.images_service.find(image);
  if (found) return {*found ? ImageState::kPresent : ImageState::kAbsent, ""};
  const bool bad_name = found.error().code == Code::kInvalidArgument;
  return {bad_name ? ImageState::kBadName : ImageState::kUnreadable, found.error().text};
}

void finishPull(PodState& state, const WorkerContext& context, const std::string& container_name,
                const std::string& image, Duration took, const Result<ImagePtr>& result) {
  const WallTime now = context.deps.clock.wall();
  eachContainer(state, [&](const api::Container& container) {
    if (container.image != image) return;
    ImageProgress& progress = state.images[container.name];
    progress.pulling = false;
    if (!result || runs(state, container.name)) return;
    progress.pulled_for = nextAttempt(state, container.name);
    progress.image = *result;
  });
  state.step("pulled " + image, result ? "" : result.error().text, took, now);
  if (result) {
    state.record.pulls.erase(image);
    const std::string duration = formatDuration(std::chrono::duration_cast<std::chrono::milliseconds>(took));
    state.event(
        "Normal", "Pulled",
        fmt::format("Successfully pulled image \"{}\" in {} ({} including waiting). Image size: {} bytes.",
                    image, duration, duration, (*result)->size.value),
        container_name, now);
    return;
  }
  if (context.stopping) return;  // cancelled, which is no failure
  PullFailure& failure = state.record.pulls[image];
  failure.backoff = failure.backoff.next(context.policy.pull, now);
  failure.failed_at = now;
  failure.reason = "ErrImagePull";
  failure.message = result.error().text;
  state.event("Warning", "Failed", fmt::format("Failed to pull image \"{}\": {}", image, failure.message),
              container_name, now);
  state.event("Warning", "Failed", "Error: ErrImagePull", container_name, now);
  LOG_WARN("pod {}: image {}: {}", api::podFullName(*state.pod), image, failure.message);
}

}  // namespace

std::string reportedImageId(const runtime::Image& image) {
  return image.repo_digests.empty() ? image.id : image.repo_digests.front();
}

std::map<std::string, ImageObservation> observeImages(const PodState& state, const WorkerContext& context) {
  std::map<std::string, ImageObservation> seen;
  std::map<std::string, ImageObservation> looked;  // by image: several containers may use one
  eachContainer(state, [&](const api::Container& container) {
    if (runs(state, container.name)) return;
    const auto known = state.images.find(container.name);
    if (known != state.images.end() && known->second.pulling) {
      seen[container.name] = {ImageState::kPulling, ""};
      return;
    }
    if (known != state.images.end() && known->second.pulled_for == nextAttempt(state, container.name)) {
      seen[container.name] = {ImageState::kPulled, ""};
      return;
    }
    if (!looked.count(container.image)) looked[container.image] = look(context, container.image);
    seen[container.name] = looked[container.image];
  });
  return seen;
}

void requestImage(PodState& state, const WorkerContextPtr& context, const std::string& container_name,
                  const std::string& image, const Resume& resume) {
  eachContainer(state, [&](const api::Container& container) {
    if (container.image == image) state.images[container.name].pulling = true;
  });
  state.event("Normal", "Pulling", fmt::format("Pulling image \"{}\"", image), container_name,
              context->deps.clock.wall());
  if (!state.pod->spec.image_pull_secrets.empty()) {
    state.event(
        "Warning", "FailedToRetrieveImagePullSecret",
        fmt::format(
            "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
            fmt::join(state.pod->spec.image_pull_secrets, ", ")),
        "", context->deps.clock.wall());
  }
  const SteadyTime begun = context->deps.clock.steady();
  context->deps.images.post([context, container_name, image, begun, resume] {
    Stop stop = context->pulls;
    auto result = context->deps.images_service.pull(
        image, {}, [](const runtime::PullProgress&) {}, stop);
    const Duration took = context->deps.clock.steady() - begun;
    resume([context, container_name, image, took, result = std::move(result)](PodState& own) {
      finishPull(own, *context, container_name, image, took, result);
    });
  });
}

Result<ImagePtr> imageToStart(const PodState& state, const WorkerContext& context,
                              const api::Container& container) {
  const auto known = state.images.find(container.name);
  if (known != state.images.end() && known->second.image &&
      known->second.pulled_for == nextAttempt(state, container.name)) {
    return known->second.image;
  }
  ImagePtr image = TRY(context.deps.images_service.find(container.image));
  if (image == nullptr)
    return makeError(Code::kNotFound, "image \"{}\" is not on this node", container.image);
  return image;
}

}  // namespace keelson::kubelet
