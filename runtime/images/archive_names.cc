#include "runtime/images/archive_names.h"

#include "runtime/images/entry_path.h"
#include "runtime/images/json_field.h"
#include "runtime/images/reference.h"

namespace keelson::runtime::images {
namespace {

constexpr size_t kMaxSavedImages = 1000;
constexpr const char* kContainerdName = "io.containerd.image.name";
constexpr const char* kRefName = "org.opencontainers.image.ref.name";

std::string annotation(const Descriptor& entry, const std::string& name) {
  const auto found = entry.annotations.find(name);
  return found == entry.annotations.end() ? std::string() : found->second;
}

}  // namespace

Result<std::vector<SavedImage>> decodeSavedImages(std::string_view bytes) {
  const auto value = TRY_CTX(parseJson(bytes, kMaxManifestBytes), "manifest.json");
  if (!value.is_array()) return wrongType("manifest.json", "a list");
  if (value.get_array().size() > kMaxSavedImages)
    return makeError(Code::kResourceExhausted, "manifest.json: more than {} images", kMaxSavedImages);
  std::vector<SavedImage> images;
  for (const auto& item : value.get_array()) {
    const auto& object = *TRY(asObject(item, "manifest.json"));
    SavedImage image;
    image.config = TRY(stringField(object, "Config"));
    image.layers = TRY(stringsField(object, "Layers"));
    image.repo_tags = TRY(stringsField(object, "RepoTags"));
    if (image.config.empty()) return makeError(Code::kDataLoss, "manifest.json: image without Config");
    if (image.layers.size() > kMaxLayers)
      return makeError(Code::kResourceExhausted, "{} layers, no more than {} are supported",
                       image.layers.size(), kMaxLayers);
    images.push_back(std::move(image));
  }
  return images;
}

Result<std::string> fullName(const std::string& name) {
  const auto reference = TRY(parseReference(name));
  if (!reference.digest.empty())
    return makeError(Code::kInvalidArgument, "\"{}\" names a digest: an image in an archive is given a tag",
                     name);
  return reference.str();
}

Result<std::string> nameOfEntry(const Descriptor& entry, const std::string& name) {
  if (const auto full = annotation(entry, kContainerdName); !full.empty()) return fullName(full);
  const auto ref = annotation(entry, kRefName);
  if (ref.empty()) return std::string();
  if (ref.find_first_of("/:") != std::string::npos) return fullName(ref);
  if (name.empty()) return std::string();
  auto reference = TRY(parseReference(name));
  // The name given may have a tag of its own, which is then what its giver wants.
  return fullName(
      name.find(':', name.rfind('/') + 1) == std::string::npos ? reference.repository() + ":" + ref : name);
}

std::string linkTarget(std::string_view path, std::string_view target) {
  if (target.starts_with('/')) return cleanPath(target);
  const size_t slash = path.rfind('/');
  const std::string folder(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1));
  return cleanPath(folder + std::string(target));
}

}  // namespace keelson::runtime::images
