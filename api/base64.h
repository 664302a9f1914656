// Standard base64 (RFC 4648, padded), as Go's encoding/json writes []byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::api {

std::string encodeBase64(std::string_view bytes);
// Line breaks are skipped as Go does; anything else outside the alphabet or wrong padding is nullopt.
std::optional<std::string> decodeBase64(std::string_view text);

}  // namespace keelson::api
