// Names of images as people write them, in their full form.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::runtime::images {

// A full image name. "nginx" is {docker.io, library/nginx, latest, ""}. A plain value.
struct Reference {
  std::string domain;  // "docker.io", "registry.local:5000", "[::1]:5000"
  std::string path;    // "library/nginx"
  std::string tag;     // "latest" when the text had neither tag nor digest
  std::string digest;  // "sha256:..." or empty; wins over the tag

  std::string repository() const { return domain + "/" + path; }
  // "repository@digest" when there is a digest, else "repository:tag".
  std::string str() const;
  bool operator==(const Reference&) const = default;
};

// The grammar and normalisation of https://github.com/distribution/reference (reference.go,
// normalize.go), which Kubernetes uses. kInvalidArgument: `couldn't parse image reference "...": ...`.
Result<Reference> parseReference(std::string_view text);

}  // namespace keelson::runtime::images
