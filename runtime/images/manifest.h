// Image manifests and indexes of OCI and of Docker's schema 2, decoded and bounded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace keelson::runtime::images {

constexpr size_t kMaxManifestBytes = size_t{4} << 20;
constexpr size_t kMaxConfigBytes = size_t{8} << 20;
constexpr size_t kMaxLayers = 128;  // overlayfs stacks no more than 500; Docker stops at 127
constexpr size_t kMaxIndexEntries = 1000;
constexpr int64_t kMaxBlobBytes = int64_t{100} << 30;

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  bool operator==(const Platform&) const = default;
  std::string str() const;  // "linux/arm64/v8"
};

// The platform this program was built for.
Platform hostPlatform();

// A pointer to content. Any thread; a plain value.
// https://github.com/opencontainers/image-spec/blob/main/descriptor.md
struct Descriptor {
  std::string media_type;
  std::string digest;
  int64_t size = 0;
  std::optional<Platform> platform;
  std::map<std::string, std::string> annotations;
};

struct ImageManifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
};

struct ImageIndex {
  std::vector<Descriptor> manifests;
};

using ManifestDocument = std::variant<ImageManifest, ImageIndex>;

// Decodes what a registry or an archive holds. `content_type` decides where the document itself has
// no mediaType. kDataLoss: not such a document; kUnsupported: schema 1, or an artifact that is no image;
// kResourceExhausted: over a limit above.
Result<ManifestDocument> decodeManifest(std::string_view bytes, std::string_view content_type);

// The entry for `platform`: the exact variant first, then one without variant. Entries without any
// platform count only when they are alone. kNotFound lists what there is.
Result<Descriptor> pickPlatform(const ImageIndex& index, const Platform& platform);

// The manifest of an image that came without one (`docker save`). Deterministic.
std::string renderManifest(const ImageManifest& manifest);

}  // namespace keelson::runtime::images
