// GET of the stand-in: one object, lists and their pages, watches.
#include <charconv>

#include "api/base64.h"
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/selectors.h"
#include "tests/fakes/api_server/tables.h"

namespace keelson::fakes {
namespace {

std::optional<uint64_t> numberOf(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Answer badVersion(const std::string& text) {
  return badRequest(fmt::format(
      "invalid resource version: resourceVersion: Invalid value: \"{}\": strconv.ParseUint: parsing \"{}\": "
      "invalid syntax",
      text, text));
}

bool isTrue(const std::string& text) { return text == "true" || text == "1"; }

// Where a list of pages goes on; version 0: of what is there then.
struct Continue {
  uint64_t version = 0;
  std::string after;
};

std::string encodeContinue(const Continue& place) {
  return api::encodeBase64(
      json::serialize(json::object{{"v", "meta.k8s.io/v1"}, {"rv", place.version}, {"start", place.after}}));
}

Outcome<Continue> decodeContinue(const std::string& text) {
  const auto bytes = api::decodeBase64(text);
  if (!bytes) return badRequest("invalid continue token: continue key is not valid: illegal base64 data");
  const auto parsed = parseJson(*bytes);
  if (!parsed || !parsed->is_object())
    return badRequest("invalid continue token: continue key is not valid: no JSON");
  const auto& object = parsed->get_object();
  return Continue{static_cast<uint64_t>(numberAt(object, "rv")), textAt(object, "start")};
}

constexpr char kListTooOld[] = "The resourceVersion for the provided list is too old.";

// The rest can still be had, of another state: handleCompactedErrorForPaging in etcd3/errors.go.
Answer expiredPage(const std::string& after) {
  auto answer = expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new "
      "list without the continue parameter, or use the continue token in this response to retrieve the "
      "remainder of the results. Continuing with the provided token results in an inconsistent list - "
      "objects "
      "that were created, modified, or deleted between the time the first chunk was returned and now may "
      "show "
      "up in the list.");
  objectAt(answer.body.get_object(), "metadata")["continue"] = encodeContinue({0, after});
  return answer;
}

Outcome<Filter> filterOf(const ServerCall& call, const ResourcePath& path) {
  Filter filter;
  filter.name_space = path.name_space;
  filter.labels = TRY(parseLabelSelector(call.param("labelSelector")));
  filter.fields = TRY(parseFieldSelector(call.param("fieldSelector"), path.type->name));
  return filter;
}

Answer tooLarge(uint64_t wanted, uint64_t have) {
  return statusFailure(504, "Timeout",
                       fmt::format("Timeout: Too large resource version: {}, current: {}", wanted, have),
                       {{"causes", json::array{json::object{{"reason", "ResourceVersionTooLarge"},
                                                            {"message", "Too large resource version"}}}},
                        {"retryAfterSeconds", 1}});
}

Outcome<std::unique_ptr<Watch>> openWatch(const ServerCall& call, const ResourcePath& path,
                                          ObjectStore& store, WatchFaults& faults) {
  WatchOptions options;
  options.type = path.type;
  options.filter = TRY(filterOf(call, path));
  if (!path.name.empty()) options.filter.fields.push_back({"metadata.name", path.name, true});
  options.bookmarks = isTrue(call.param("allowWatchBookmarks"));
  options.table = call.table;
  const auto version = call.param("resourceVersion");
  if (!version.empty() && version != "0") {
    options.from = numberOf(version);
    if (!options.from) return badVersion(version);
  }
  const bool initial = isTrue(call.param("sendInitialEvents"));
  if (!initial && !call.param("resourceVersionMatch").empty()) {
    return invalid({"meta.k8s.io", "listoptions", "ListOptions"}, "",
                   {{"FieldValueForbidden", "resourceVersionMatch",
                     "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                     "provided"}});
  }
  if (initial) {
    if (call.param("resourceVersionMatch") != "NotOlderThan") {
      return invalid(
          {"meta.k8s.io", "listoptions", "ListOptions"}, "",
          {{"FieldValueForbidden", "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"}});
    }
    options.from.reset();
    options.initial_events_end = options.bookmarks;
  }
  if (const auto seconds = numberOf(call.param("timeoutSeconds"))) {
    options.timeout = std::chrono::seconds(std::min<uint64_t>(*seconds, 24 * 3600));
  }
  return std::make_unique<Watch>(store, faults, std::move(options));
}

}  // namespace

Answer ApiServer::read(const ServerCall& call, const ResourcePath& path) {
  const auto object = store_.get(path.type->collection(), path.key());
  if (!object) return notFound(path.type->name, path.name);
  auto view = shown(*object, *path.type);
  if (call.table) return {200, renderTable(*path.type, {std::move(view)}, true), {}};
  return {200, std::move(view), {}};
}

ApiServer::Reply ApiServer::list(const ServerCall& call, const ResourcePath& path) {
  if (isTrue(call.param("watch"))) {
    auto watch = openWatch(call, path, store_, watch_faults_);
    if (!watch) return std::move(watch).error();
    return std::move(watch).value();
  }
  auto filter = filterOf(call, path);
  if (!filter) return std::move(filter).error();
  Continue place{store_.version(), ""};
  const auto token = call.param("continue");
  if (!token.empty()) {
    auto decoded = decodeContinue(token);
    if (!decoded) return std::move(decoded).error();
    place = decoded.value();
    if (place.version == 0) place.version = store_.version();  // what is there now, from that key on
  } else if (!call.param("resourceVersionMatch").empty() && call.param("resourceVersion").empty()) {
    return invalid({"meta.k8s.io", "listoptions", "ListOptions"}, "",
                   {{"FieldValueForbidden", "resourceVersionMatch",
                     "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"}});
  } else if (const auto version = call.param("resourceVersion"); !version.empty() && version != "0") {
    const auto wanted = numberOf(version);
    if (!wanted) return badVersion(version);
    if (*wanted > store_.version()) return tooLarge(*wanted, store_.version());
    if (call.param("resourceVersionMatch") == "Exact") place.version = *wanted;
  }
  const auto objects = store_.snapshot(path.type->collection(), place.version);
  if (!objects) return token.empty() ? expired(kListTooOld) : expiredPage(place.after);
  const auto limit = numberOf(call.param("limit")).value_or(0);
  json::object metadata{{"resourceVersion", std::to_string(place.version)}};
  std::vector<json::object> views;
  uint64_t remaining = 0;
  std::string last;
  for (auto at = objects->upper_bound(place.after); at != objects->end(); ++at) {
    if (!filter.value().matches(*at->second)) continue;
    if (limit != 0 && views.size() == limit) {
      ++remaining;
      continue;
    }
    views.push_back(shown(*at->second, *path.type));
    last = at->first;
  }
  if (remaining != 0) {
    metadata["continue"] = encodeContinue({place.version, last});
    // Upstream counts only what no selector narrows.
    if (filter.value().fields.empty() && filter.value().labels.match_expressions.empty())
      metadata["remainingItemCount"] = remaining;
  }
  if (call.table) {
    auto table = renderTable(*path.type, views, true);
    table["metadata"] = std::move(metadata);
    return Answer{200, std::move(table), {}};
  }
  json::array items;
  for (auto& view : views) {  // items of typed lists carry no kind
    view.erase("kind");
    view.erase("apiVersion");
    items.push_back(std::move(view));
  }
  return Answer{200,
                json::object{{"kind", path.type->name.kind + "List"},
                             {"apiVersion", path.type->apiVersion()},
                             {"metadata", std::move(metadata)},
                             {"items", std::move(items)}},
                {}};
}

}  // namespace keelson::fakes
