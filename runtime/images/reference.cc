#include "runtime/images/reference.h"

#include <algorithm>

#include "runtime/images/digest.h"

namespace keelson::runtime::images {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDefaultDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr size_t kMaxRepositoryLength = 255;  // NameTotalLengthMax
constexpr size_t kMaxTagLength = 128;
constexpr size_t kMaxReferenceLength = 1024;
constexpr size_t kShownBytes = 300;

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool isAlphanumeric(char c) { return isDigit(c) || isLower(c) || isUpper(c); }
bool isHexDigit(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// [a-zA-Z0-9] or [a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]
bool isDomainComponent(std::string_view text) {
  return !text.empty() && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return isAlphanumeric(c) || c == '-'; });
}

bool isDomain(std::string_view text) {
  std::string_view host = text;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close < 2) return false;
    const std::string_view address = text.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) { return isHexDigit(c) || c == ':'; }))
      return false;
    std::string_view rest = text.substr(close + 1);
    if (rest.empty()) return true;
    return rest.size() > 1 && rest.front() == ':' && std::all_of(rest.begin() + 1, rest.end(), isDigit);
  }
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), isDigit)) return false;
    host = text.substr(0, colon);
  }
  while (true) {
    const size_t dot = host.find('.');
    if (!isDomainComponent(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// [a-z0-9]+ parts joined by one of: ".", "_", "__", any number of "-".
bool isPathComponent(std::string_view text) {
  size_t at = 0;
  while (true) {
    const size_t word = at;
    while (at < text.size() && (isLower(text[at]) || isDigit(text[at]))) ++at;
    if (at == word) return false;
    if (at == text.size()) return true;
    if (text[at] == '.') {
      at += 1;
    } else if (text[at] == '_') {
      at += text.substr(at).starts_with("__") ? 2 : 1;
    } else if (text[at] == '-') {
      while (at < text.size() && text[at] == '-') ++at;
    } else {
      return false;
    }
  }
}

bool isPath(std::string_view text) {
  while (true) {
    const size_t slash = text.find('/');
    if (!isPathComponent(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool isTag(std::string_view text) {
  const auto isWord = [](char c) { return isAlphanumeric(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTagLength && isWord(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return isWord(c) || c == '.' || c == '-'; });
}

bool isImageIdHex(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return isDigit(c) || (c >= 'a' && c <= 'f'); });
}

// The first part is a host only if it looks like one: a dot, a port, an upper-case letter, or localhost.
bool isHostPart(std::string_view part) {
  return part.find_first_of(".:") != std::string_view::npos || part == "localhost" ||
         std::any_of(part.begin(), part.end(), isUpper);
}

Error refuse(std::string_view text, std::string_view why) {
  return makeError(Code::kInvalidArgument, "couldn't parse image reference \"{}\": {}",
                   text.substr(0, kShownBytes), why);
}

}  // namespace

std::string Reference::str() const {
  return digest.empty() ? repository() + ":" + tag : repository() + "@" + digest;
}

Result<Reference> parseReference(std::string_view text) {
  constexpr std::string_view kFormat = "invalid reference format";
  if (text.empty() || text.size() > kMaxReferenceLength) return refuse(text, kFormat);
  if (isImageIdHex(text))
    return refuse(text, "invalid repository name, cannot specify 64-byte hexadecimal strings");

  Reference reference;
  std::string_view name = text;
  if (const size_t at = name.find('@'); at != std::string_view::npos) {
    const std::string_view digest = name.substr(at + 1);
    if (!isDigest(digest)) {
      const bool other = digest.starts_with("sha512:") || digest.starts_with("sha384:");
      return refuse(text, other ? "unsupported digest algorithm, only sha256 is known" : kFormat);
    }
    reference.digest = std::string(digest);
    name = name.substr(0, at);
  }
  const size_t last_slash = name.rfind('/');
  const size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && (last_slash == std::string_view::npos || colon > last_slash)) {
    if (!isTag(name.substr(colon + 1))) return refuse(text, kFormat);
    reference.tag = std::string(name.substr(colon + 1));
    name = name.substr(0, colon);
  }

  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || !isHostPart(name.substr(0, slash))) {
    reference.domain = std::string(kDefaultDomain);
    reference.path = std::string(name);
  } else {
    reference.domain = std::string(name.substr(0, slash));
    reference.path = std::string(name.substr(slash + 1));
  }
  if (reference.domain == kLegacyDefaultDomain) reference.domain = std::string(kDefaultDomain);
  if (reference.domain == kDefaultDomain && reference.path.find('/') == std::string::npos)
    reference.path.insert(0, kOfficialPrefix);

  if (std::any_of(reference.path.begin(), reference.path.end(), isUpper))
    return refuse(text, "invalid reference format: repository name must be lowercase");
  if (!isDomain(reference.domain) || !isPath(reference.path)) return refuse(text, kFormat);
  if (reference.repository().size() > kMaxRepositoryLength)
    return refuse(text, "repository name must not be more than 255 characters");
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  return reference;
}

}  // namespace keelson::runtime::images
