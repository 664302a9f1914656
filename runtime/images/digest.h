// Digests of content: "sha256:<64 lower-case hex digits>".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::runtime::images {

// Checks the form. kUnsupported: another algorithm; kDataLoss: not a digest at all.
Result<std::string> parseDigest(std::string_view text);
bool isDigest(std::string_view text);

// The hex digits after the colon. Precondition: isDigest(digest).
std::string digestHex(std::string_view digest);
std::string digestOf(std::string_view bytes);

// The chain id of a layer: what the tree is after it was laid over `parent` (empty for the bottom).
// https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
std::string chainId(std::string_view parent, std::string_view diff_id);

}  // namespace keelson::runtime::images
