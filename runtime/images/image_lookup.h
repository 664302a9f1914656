// Finding an image by what people call it. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/images/image.h"
#include "runtime/images/store.h"

namespace keelson::runtime::images {

// The image id in "sha256:<hex>" or 64 bare hex digits; nullopt: the text is a name.
std::optional<std::string> imageIdOf(const std::string& text);

// nullptr if it is not among `images`. A digest finds the image by the digest it was pulled by, or, in a
// repository it was pulled from, by that of its platform's manifest. kInvalidArgument: no proper name.
Result<std::shared_ptr<const Image>> findImage(const ImageStore::Images& images, const std::string& text);

// What remove() of `text` takes from `image`, which findImage() found by it.
Result<ImageStore::Untag> planUntag(const Image& image, const std::string& text);

}  // namespace keelson::runtime::images
