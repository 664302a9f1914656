#include "runtime/images/digest.h"

#include <algorithm>

#include "base/sha256.h"

namespace keelson::runtime::images {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr size_t kHexDigits = 64;
constexpr size_t kShownBytes = 100;

bool isLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

bool isDigest(std::string_view text) {
  if (!text.starts_with(kPrefix)) return false;
  text.remove_prefix(kPrefix.size());
  return text.size() == kHexDigits && std::all_of(text.begin(), text.end(), isLowerHex);
}

Result<std::string> parseDigest(std::string_view text) {
  if (isDigest(text)) return std::string(text);
  if (text.starts_with("sha512:") || text.starts_with("sha384:"))
    return makeError(Code::kUnsupported, "digest algorithm of \"{}\": only sha256 is supported",
                     text.substr(0, kShownBytes));
  return makeError(Code::kDataLoss, "\"{}\" is not a sha256 digest", text.substr(0, kShownBytes));
}

std::string digestHex(std::string_view digest) { return std::string(digest.substr(kPrefix.size())); }

std::string digestOf(std::string_view bytes) { return std::string(kPrefix) + sha256Hex(bytes); }

std::string chainId(std::string_view parent, std::string_view diff_id) {
  if (parent.empty()) return std::string(diff_id);
  return digestOf(fmt::format("{} {}", parent, diff_id));
}

}  // namespace keelson::runtime::images
