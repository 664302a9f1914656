#include "runtime/images/image_lookup.h"

#include <algorithm>

#include "runtime/images/digest.h"
#include "runtime/images/reference.h"

namespace keelson::runtime::images {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool isOfRepository(const std::string& name, const std::string& repository) {
  return name.starts_with(repository) && name.size() > repository.size() &&
         (name[repository.size()] == ':' || name[repository.size()] == '@');
}

bool hasDigest(const Image& image, const Reference& reference) {
  if (contains(image.repo_digests, reference.str())) return true;
  return image.manifest_digest == reference.digest &&
         std::any_of(image.repo_digests.begin(), image.repo_digests.end(),
                     [&](const std::string& name) { return isOfRepository(name, reference.repository()); });
}

}  // namespace

std::optional<std::string> imageIdOf(const std::string& text) {
  if (isDigest(text)) return text;
  if (isDigest("sha256:" + text)) return "sha256:" + text;
  return std::nullopt;
}

Result<std::shared_ptr<const Image>> findImage(const ImageStore::Images& images, const std::string& text) {
  const auto first = [&](const auto& matches) {
    const auto found =
        std::find_if(images.begin(), images.end(), [&](const auto& image) { return matches(*image); });
    return found == images.end() ? std::shared_ptr<const Image>() : *found;
  };
  if (const auto id = imageIdOf(text)) return first([&](const Image& image) { return image.id == *id; });
  const auto reference = TRY(parseReference(text));
  if (!reference.digest.empty())
    return first([&](const Image& image) { return hasDigest(image, reference); });
  return first([&](const Image& image) { return contains(image.repo_tags, reference.str()); });
}

Result<ImageStore::Untag> planUntag(const Image& image, const std::string& text) {
  ImageStore::Untag untag;
  if (imageIdOf(text)) {
    untag.whole_image = true;
    return untag;
  }
  const auto reference = TRY(parseReference(text));
  if (!reference.digest.empty()) {
    const auto name = reference.str();
    const bool is_own_name = contains(image.repo_digests, name);
    for (const auto& digest : image.repo_digests)
      if (is_own_name ? digest == name : isOfRepository(digest, reference.repository()))
        untag.digests.push_back(digest);
    return untag;
  }
  untag.tags.push_back(reference.str());
  const bool more_tags =
      std::any_of(image.repo_tags.begin(), image.repo_tags.end(), [&](const std::string& tag) {
        return tag != reference.str() && isOfRepository(tag, reference.repository());
      });
  if (more_tags) return untag;
  for (const auto& digest : image.repo_digests)
    if (isOfRepository(digest, reference.repository())) untag.digests.push_back(digest);
  return untag;
}

}  // namespace keelson::runtime::images
