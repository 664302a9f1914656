// Which images an archive holds and what they are called. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/images/manifest.h"

namespace keelson::runtime::images {

// One entry of `docker save`'s manifest.json.
// https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
struct SavedImage {
  std::string config;                  // file names in the archive
  std::vector<std::string> layers;     // bottom first
  std::vector<std::string> repo_tags;  // as written
};
Result<std::vector<SavedImage>> decodeSavedImages(std::string_view bytes);

// The full reference of an entry of an OCI archive's index.json: io.containerd.image.name, else
// org.opencontainers.image.ref.name, which may be a bare tag and then belongs to the repository of `name`.
// Empty when it carries none. kInvalidArgument: a name that cannot be parsed.
Result<std::string> nameOfEntry(const Descriptor& entry, const std::string& name);

// The full reference of a name given by a person or an archive; with a digest it is no name to give.
Result<std::string> fullName(const std::string& name);

// What a link in the archive points to: `target` seen from the folder of `path`.
std::string linkTarget(std::string_view path, std::string_view target);

}  // namespace keelson::runtime::images
