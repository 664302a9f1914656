// Lists and watches of any kind, decoded. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/client/object_table.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::api::client {

// The typed part of it: decode<T> with the type forgotten.
using DecodeObject = Result<std::shared_ptr<const void>> (*)(const json::value&);

// One answer to a list request.
struct Page {
  std::vector<Item> items;
  std::string resource_version;
  std::string continue_token;  // "" on the last page
};
// kInternal if it is no list.
Result<Page> decodePage(const json::value& list, DecodeObject decode);

struct WatchEvent {
  enum class Type { kSet, kDeleted };
  Type type = Type::kSet;
  Item item;
};

// Some whole lines of a watch. After an `error` (an ERROR event, a line that is none) nothing is decoded.
struct WatchBatch {
  std::vector<WatchEvent> events;
  size_t frames = 0;             // events and bookmarks
  std::string resource_version;  // the newest of all, "" if there was none
  std::optional<Error> error;
};
WatchBatch decodeWatch(std::string_view lines, DecodeObject decode);

}  // namespace keelson::api::client
