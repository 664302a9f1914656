// The images of one pod's containers.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "kubelet/pod_state.h"
#include "kubelet/worker_context.h"

namespace keelson::kubelet {

// Puts a task on the pod's strand, followed by a look at the pod. Callable from any thread, also after the
// pod is gone.
using Resume = std::function<void(std::function<void(PodState&)>)>;

// What is known of the images that containers of the pod would start with now. Containers that run are left
// out. Looks into the image store; strand of the pod.
std::map<std::string, ImageObservation> observeImages(const PodState& state, const WorkerContext& context);

// Starts to fetch `image` on lane images for every container that wants it; the result comes by `resume`.
// Strand of the pod.
void requestImage(PodState& state, const WorkerContextPtr& context, const std::string& container,
                  const std::string& image, const Resume& resume);

// The image the next instance of the container uses: the one fetched for it, else the one on this node.
Result<std::shared_ptr<const runtime::Image>> imageToStart(const PodState& state,
                                                           const WorkerContext& context,
                                                           const api::Container& container);

// How an image is reported in imageID: its first repo digest, else its id. Pure.
std::string reportedImageId(const runtime::Image& image);

}  // namespace keelson::kubelet
