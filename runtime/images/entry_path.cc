#include "runtime/images/entry_path.h"

#include <limits.h>

namespace keelson::runtime::images {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr size_t kShownBytes = 300;

}  // namespace

std::string cleanPath(std::string_view path) {
  std::string cleaned;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const size_t last = cleaned.rfind('/');
      cleaned.resize(last == std::string::npos ? 0 : last);
      continue;
    }
    if (!cleaned.empty()) cleaned += '/';
    cleaned += part;
  }
  return cleaned;
}

EntryPath splitPath(std::string_view cleaned) {
  const size_t slash = cleaned.rfind('/');
  if (slash == std::string_view::npos) return {EntryMeaning::kPlain, "", std::string(cleaned)};
  return {EntryMeaning::kPlain, std::string(cleaned.substr(0, slash)),
          std::string(cleaned.substr(slash + 1))};
}

Result<EntryPath> readEntryPath(std::string_view path) {
  const std::string cleaned = cleanPath(path);
  if (cleaned.empty()) return EntryPath{EntryMeaning::kRoot, "", ""};
  EntryPath entry = splitPath(cleaned);
  if (cleaned.size() >= PATH_MAX || entry.name.size() > NAME_MAX)
    return makeError(Code::kInvalidArgument, "name \"{}...\" is too long ({} bytes)",
                     cleaned.substr(0, kShownBytes), cleaned.size());
  if (!entry.name.starts_with(kWhiteoutPrefix)) return entry;
  if (entry.name == kOpaqueName) {
    entry.meaning = EntryMeaning::kOpaque;
  } else if (entry.name.starts_with(kAufsPrefix)) {
    entry.meaning = EntryMeaning::kIgnored;
  } else {
    entry.meaning = EntryMeaning::kWhiteout;
    entry.name.erase(0, kWhiteoutPrefix.size());
    if (entry.name.empty() || entry.name == "." || entry.name == "..")
      return makeError(Code::kDataLoss, "\"{}\" is not a whiteout", path.substr(0, kShownBytes));
  }
  return entry;
}

}  // namespace keelson::runtime::images
