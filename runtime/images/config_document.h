// The image configuration document (OCI config.md), decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/images/image.h"
#include "runtime/images/manifest.h"

namespace keelson::runtime::images {

struct ConfigDocument {
  Platform platform;
  std::optional<WallTime> created;
  std::vector<std::string> diff_ids;  // bottom first
  ImageConfig config;
};

// kDataLoss with the field's name; kResourceExhausted beyond kMaxLayers. An unreadable `created` is dropped.
Result<ConfigDocument> decodeConfig(std::string_view bytes);

// The chain id of every layer, bottom first.
std::vector<std::string> chainIds(const std::vector<std::string>& diff_ids);

}  // namespace keelson::runtime::images
