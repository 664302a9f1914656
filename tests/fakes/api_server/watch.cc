#include "tests/fakes/api_server/watch.h"

#include <array>

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/tables.h"

namespace keelson::fakes {
namespace {

// core v1 field -> events.k8s.io/v1 field.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEventNames = {{
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
}};

void rename(json::object& object, std::string_view from, std::string_view to) {
  if (from == to) return;
  if (const auto* value = object.if_contains(from)) {
    json::value copy = *value;
    object.erase(from);
    object[to] = std::move(copy);
  }
}

bool isNewEvent(const ResourceType& type) { return type.name.group == "events.k8s.io"; }

}  // namespace

json::object shown(const json::object& object, const ResourceType& type) {
  json::object out = object;
  out["apiVersion"] = type.apiVersion();
  if (!isNewEvent(type)) return out;
  for (const auto& [core, name] : kEventNames) rename(out, core, name);
  rename(out, "reportingInstance", "reportingInstance");
  return out;
}

json::object kept(json::object object, const ResourceType& type) {
  if (!isNewEvent(type)) return object;
  for (const auto& [core, name] : kEventNames) rename(object, name, core);
  object["apiVersion"] = "v1";
  return object;
}

Watch::Watch(ObjectStore& store, WatchFaults& faults, WatchOptions options)
    : store_(store), faults_(faults), options_(std::move(options)), at_(options_.from.value_or(0)) {
  begun_ = options_.from.has_value() && !options_.initial_events_end;
}

std::string Watch::frame(std::string_view type, const json::object& object) {
  json::object event{{"type", type}};
  if (options_.table && type != "ERROR") {
    event["object"] = renderTable(*options_.type, {shown(object, *options_.type)}, !columns_told_);
    columns_told_ = true;
  } else {
    event["object"] = type == "ERROR" ? object : shown(object, *options_.type);
  }
  return json::serialize(event) + "\n";
}

std::string Watch::bookmarkFrame(uint64_t version, bool initial_end) {
  json::object object{{"kind", options_.type->name.kind},
                      {"apiVersion", options_.type->apiVersion()},
                      {"metadata", {{"resourceVersion", std::to_string(version)}}}};
  if (initial_end) objectAt(object, "metadata.annotations")["k8s.io/initial-events-end"] = "true";
  if (options_.type->name.plural == "pods") {
    object["spec"] = {{"containers", nullptr}};
    object["status"] = json::object();
  }
  return json::serialize(json::object{{"type", "BOOKMARK"}, {"object", std::move(object)}}) + "\n";
}

std::string Watch::initial() {
  std::string out;
  for (const auto& [key, object] : store_.all(options_.type->collection())) {
    if (options_.filter.matches(*object)) out += frame("ADDED", *object);
  }
  at_ = store_.version();
  if (options_.initial_events_end) out += bookmarkFrame(at_, true);
  return out;
}

// What the event is to this watch: an object may come into its selectors and leave them.
std::string Watch::render(const StoreEvent& event) {
  const bool was = event.was && options_.filter.matches(*event.was);
  const bool is = event.now && options_.filter.matches(*event.now);
  if (is) return frame(was ? "MODIFIED" : "ADDED", *event.now);
  if (!was) return "";
  // A deletion shows the object's last state with the version of the deletion.
  json::object last = *event.was;
  objectAt(last, "metadata")["resourceVersion"] = std::to_string(event.version);
  if (event.now == nullptr) last = *event.last;
  return frame("DELETED", last);
}

std::string Watch::disturbed(std::string text) {
  if (text.empty()) return text;
  if (faults_.drop > 0) {
    --faults_.drop;
    return "";
  }
  if (faults_.duplicate > 0) {
    --faults_.duplicate;
    return text + text;
  }
  if (!held_.empty()) return text + std::exchange(held_, "");
  if (faults_.reorder > 0) {
    --faults_.reorder;
    held_ = std::move(text);
    return "";
  }
  return text;
}

std::string Watch::take(size_t limit) {
  std::string out;
  if (ended_) return out;
  if (!begun_) {
    begun_ = true;
    out = initial();
  }
  auto event = store_.after(at_);
  if (!event) {
    ended_ = true;
    return out +
           frame("ERROR", expired(fmt::format("too old resource version: {} ({})", at_, store_.version()))
                              .body.get_object());
  }
  for (; *event != store_.end() && out.size() < limit; ++*event) {
    at_ = (*event)->version;
    if ((*event)->collection == options_.type->collection()) out += disturbed(render(**event));
  }
  return out;
}

std::string Watch::bookmark() {
  if (!options_.bookmarks || !begun_ || ended_ || !held_.empty()) return "";
  const auto next = store_.after(at_);
  if (!next || *next != store_.end()) return "";
  // Never behind what was told, never ahead of what was seen.
  at_ = std::max(at_, store_.version());
  return bookmarkFrame(at_, false);
}

}  // namespace keelson::fakes
