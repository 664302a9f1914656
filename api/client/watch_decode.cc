#include "api/client/watch_decode.h"

#include "api/client/api_client.h"
#include "api/client/api_error.h"
#include "api/client/lines.h"

namespace keelson::api::client {
namespace {

const json::object* objectAt(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains({name.data(), name.size()});
  return found == nullptr ? nullptr : found->if_object();
}

std::string textAt(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains({name.data(), name.size()});
  return found == nullptr || !found->is_string() ? "" : std::string(found->get_string());
}

// nullopt without a name: nothing can be done with such an object.
std::optional<Item> decodeItem(const json::value& value, DecodeObject decode) {
  const json::object* object = value.if_object();
  const json::object* metadata = object == nullptr ? nullptr : objectAt(*object, "metadata");
  if (metadata == nullptr) return std::nullopt;
  const std::string name = textAt(*metadata, "name");
  if (name.empty()) return std::nullopt;
  const std::string name_space = textAt(*metadata, "namespace");
  Item item{name_space.empty() ? name : name_space + "/" + name, textAt(*metadata, "uid"),
            textAt(*metadata, "resourceVersion")};
  auto decoded = decode(value);
  if (decoded.ok()) {
    item.object = std::move(decoded).value();
  } else {
    item.error = fmt::format("{}: {}", item.key, decoded.error().text);
  }
  return item;
}

// One line into the batch; false if the watch is of no use after it.
bool decodeLine(std::string_view line, DecodeObject decode, WatchBatch& batch) {
  const auto parsed = parseJson(line, kMaxWatchLine);
  const json::object* event = parsed.ok() ? parsed->if_object() : nullptr;
  const json::value* object = event == nullptr ? nullptr : event->if_contains("object");
  if (object == nullptr) {
    batch.error = makeError(Code::kUnavailable, "the watch says something that is no event: {}",
                            parsed.ok() ? "no object" : parsed.error().text);
    return false;
  }
  const std::string type = textAt(*event, "type");
  if (type == "ERROR") {
    batch.error = statusError(*object);
    return false;
  }
  ++batch.frames;
  std::string version;
  if (type == "BOOKMARK") {
    const json::object* whole = object->if_object();
    const json::object* metadata = whole == nullptr ? nullptr : objectAt(*whole, "metadata");
    if (metadata != nullptr) version = textAt(*metadata, "resourceVersion");
  } else if (type == "ADDED" || type == "MODIFIED" || type == "DELETED") {
    auto item = decodeItem(*object, decode);
    if (!item) return true;
    version = item->resource_version;
    batch.events.push_back(
        {type == "DELETED" ? WatchEvent::Type::kDeleted : WatchEvent::Type::kSet, std::move(*item)});
  }
  if (!version.empty() && !isOlder(version, batch.resource_version)) batch.resource_version = version;
  return true;
}

}  // namespace

Result<Page> decodePage(const json::value& list, DecodeObject decode) {
  const json::object* object = list.if_object();
  const json::object* metadata = object == nullptr ? nullptr : objectAt(*object, "metadata");
  const json::value* items = object == nullptr ? nullptr : object->if_contains("items");
  if (metadata == nullptr || items == nullptr || !(items->is_array() || items->is_null())) {
    return makeError(Code::kInternal, "the answer is no list");
  }
  Page page;
  page.resource_version = textAt(*metadata, "resourceVersion");
  page.continue_token = textAt(*metadata, "continue");
  if (page.resource_version.empty()) return makeError(Code::kInternal, "a list without resourceVersion");
  if (items->is_null()) return page;
  page.items.reserve(items->get_array().size());
  for (const json::value& value : items->get_array()) {
    if (auto item = decodeItem(value, decode)) page.items.push_back(std::move(*item));
  }
  return page;
}

WatchBatch decodeWatch(std::string_view lines, DecodeObject decode) {
  WatchBatch batch;
  while (true) {
    const std::string_view line = takeLine(lines);
    if (line.empty() || !decodeLine(line, decode, batch)) return batch;
  }
}

}  // namespace keelson::api::client
