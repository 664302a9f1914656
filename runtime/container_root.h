// A container's root: image layers below, a writable layer of its own on top.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/ids.h"
#include "base/result.h"
#include "kernel/mount.h"
#include "runtime/images/image_service.h"
#include "runtime/runtime.h"

namespace keelson::runtime {

//   <state>/containers/<id>/upper       what the container writes
//                          /work        overlayfs' own
//                          /lower       empty; only for an image without layers
//                          /volumes/N   anonymous volume N of the image (VOLUME)

// kAlreadyExists when the id is in use.
Result<void> createContainerFolder(const std::string& state_dir, const ContainerId& id);

// The overlay on the container's folder, detached. A read-only root gets an upper layer too: mount targets
// must be made in it. An error leaves the folder for removeContainerFolder().
Result<kernel::Mount> createContainerRoot(const std::string& state_dir, const ContainerId& id,
                                          const ImageLayers& layers);

// Mounts for the image's volumes that no mount in `taken` covers, each a directory filled with what the image
// has at that path, as containerd does.
Result<std::vector<OwnedMount>> createImageVolumes(const std::string& state_dir, const ContainerId& id,
                                                   const kernel::Mount& root, const ImageConfig& image,
                                                   const std::vector<OwnedMount>& taken, Stop& stop);

// A mount target without repeated or final slashes ("//data/" is "/data"); "" for what is no place of its
// own: "/", or a path with "..". Pure.
std::string cleanTarget(const std::string& path);

// Whether a clean target is /proc, /sys or /dev, or lies in one: no place for an image's volume. Pure.
bool isSystemTarget(const std::string& target);

// Fine if absent.
Result<void> removeContainerFolder(const std::string& state_dir, const ContainerId& id);
Result<std::vector<ContainerId>> listContainerFolders(const std::string& state_dir);

}  // namespace keelson::runtime
