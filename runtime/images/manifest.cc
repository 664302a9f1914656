#include "runtime/images/manifest.h"

#include <algorithm>

#include "runtime/images/digest.h"
#include "runtime/images/json_field.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kShownPlatforms = 20;

Result<Descriptor> decodeDescriptor(const json::value& value, std::string_view what) {
  const auto& object = *TRY(asObject(value, what));
  Descriptor descriptor;
  descriptor.media_type = TRY(stringField(object, "mediaType"));
  descriptor.digest = TRY(parseDigest(TRY(stringField(object, "digest"))));
  descriptor.size = TRY(integerField(object, "size"));
  if (descriptor.size < 0 || descriptor.size > kMaxBlobBytes)
    return makeError(Code::kResourceExhausted, "size {} of {} is not between 0 and {}", descriptor.size,
                     descriptor.digest, kMaxBlobBytes);
  descriptor.annotations = TRY(stringMapField(object, "annotations"));
  if (const auto* platform = TRY(objectField(object, "platform"))) {
    descriptor.platform =
        Platform{TRY(stringField(*platform, "os")), TRY(stringField(*platform, "architecture")),
                 TRY(stringField(*platform, "variant"))};
  }
  return descriptor;
}

Result<ImageManifest> decodeImageManifest(const json::object& object, std::string media_type) {
  ImageManifest manifest;
  manifest.media_type = std::move(media_type);
  const auto* config = findField(object, "config");
  if (config == nullptr) return makeError(Code::kDataLoss, "manifest has no config");
  manifest.config = TRY_CTX(decodeDescriptor(*config, "config"), "config");
  const auto& type = manifest.config.media_type;
  if (!type.empty() && type != kOciConfig && type != kDockerConfig)
    return makeError(Code::kUnsupported, "not a container image but an artifact of type {}",
                     type.substr(0, 200));
  const auto* layers = TRY(arrayField(object, "layers"));
  if (layers == nullptr) return manifest;
  if (layers->size() > kMaxLayers)
    return makeError(Code::kResourceExhausted, "{} layers, no more than {} are supported", layers->size(),
                     kMaxLayers);
  for (const auto& layer : *layers)
    manifest.layers.push_back(TRY_CTX(decodeDescriptor(layer, "layer"), "layer {}", manifest.layers.size()));
  return manifest;
}

Result<ImageIndex> decodeIndex(const json::object& object) {
  ImageIndex index;
  const auto* manifests = TRY(arrayField(object, "manifests"));
  if (manifests == nullptr) return index;
  if (manifests->size() > kMaxIndexEntries)
    return makeError(Code::kResourceExhausted, "index of {} manifests, no more than {} are supported",
                     manifests->size(), kMaxIndexEntries);
  for (const auto& entry : *manifests)
    index.manifests.push_back(
        TRY_CTX(decodeDescriptor(entry, "manifest"), "manifest {}", index.manifests.size()));
  return index;
}

json::object encodeDescriptor(const Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest}, {"size", descriptor.size}};
}

}  // namespace

std::string Platform::str() const {
  std::string text = os + "/" + architecture;
  if (!variant.empty()) text += "/" + variant;
  return text;
}

Platform hostPlatform() {
#if defined(__x86_64__)
  return {"linux", "amd64", ""};
#elif defined(__aarch64__)
  return {"linux", "arm64", "v8"};
#elif defined(__riscv)
  return {"linux", "riscv64", ""};
#else
#error "name this architecture as GOARCH does"
#endif
}

Result<ManifestDocument> decodeManifest(std::string_view bytes, std::string_view content_type) {
  const auto value = TRY_CTX(parseJson(bytes, kMaxManifestBytes), "manifest");
  const auto& object = *TRY(asObject(value, "manifest"));
  std::string media_type = TRY(stringField(object, "mediaType"));
  if (media_type.empty()) media_type = std::string(content_type.substr(0, content_type.find(';')));
  if (TRY(integerField(object, "schemaVersion")) == 1)
    return makeError(
        Code::kUnsupported,
        "manifest of Docker schema 1, which registries dropped: push the image again with a current tool");
  const bool has_manifests = findField(object, "manifests") != nullptr;
  // A document may be read one way only, or two readers could see two images (CVE-2021-41190).
  if (has_manifests && (findField(object, "layers") != nullptr || findField(object, "config") != nullptr))
    return makeError(Code::kDataLoss, "document is both an index and a manifest");
  if (media_type == kOciIndex || media_type == kDockerIndex || has_manifests) {
    if (media_type == kOciManifest || media_type == kDockerManifest)
      return makeError(Code::kDataLoss, "an index that calls itself a manifest");
    return ManifestDocument(TRY(decodeIndex(object)));
  }
  if (media_type != kOciManifest && media_type != kDockerManifest) {
    if (findField(object, "config") == nullptr)
      return makeError(Code::kUnsupported, "manifest of type \"{}\"", media_type.substr(0, 200));
    media_type = std::string(kOciManifest);
  }
  return ManifestDocument(TRY(decodeImageManifest(object, std::move(media_type))));
}

Result<Descriptor> pickPlatform(const ImageIndex& index, const Platform& platform) {
  const Descriptor* best = nullptr;
  std::string seen;
  size_t shown = 0;
  for (const auto& entry : index.manifests) {
    if (!entry.platform) {
      if (index.manifests.size() == 1) return entry;
      continue;
    }
    if (shown++ < kShownPlatforms) seen += (seen.empty() ? "" : ", ") + entry.platform->str();
    if (entry.platform->os != platform.os || entry.platform->architecture != platform.architecture) continue;
    if (entry.platform->variant == platform.variant) return entry;
    // arm64 without variant is v8; a bare amd64 runs everywhere, amd64/v3 may not run here.
    if (entry.platform->variant.empty() && best == nullptr) best = &entry;
    if (platform.variant.empty() && entry.platform->variant == "v1" && best == nullptr) best = &entry;
  }
  if (best != nullptr) return *best;
  return makeError(Code::kNotFound, "no image for {} in it; it holds: {}", platform.str(),
                   seen.empty() ? "nothing" : seen);
}

std::string renderManifest(const ImageManifest& manifest) {
  json::array layers;
  for (const auto& layer : manifest.layers) layers.push_back(encodeDescriptor(layer));
  return json::serialize(json::object{{"schemaVersion", 2},
                                      {"mediaType", manifest.media_type},
                                      {"config", encodeDescriptor(manifest.config)},
                                      {"layers", std::move(layers)}});
}

}  // namespace keelson::runtime::images
