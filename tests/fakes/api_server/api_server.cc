#include "tests/fakes/api_server/api_server.h"

#include <charconv>

#include "api/base64.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/node_rules.h"
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
  return badRequest(
      fmt::format("resourceVersion: Invalid value: \"{}\": strconv.ParseUint: parsing \"{}\": "
                  "invalid syntax",
                  text, text));
}

bool isTrue(const std::string& text) { return text == "true" || text == "1"; }

// Where a list of pages goes on.
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
  if (!bytes) return badRequest("continue key is not valid: illegal base64 data");
  const auto parsed = parseJson(*bytes);
  if (!parsed || !parsed->is_object()) return badRequest("continue key is not valid: no JSON");
  const auto& object = parsed->get_object();
  return Continue{static_cast<uint64_t>(numberAt(object, "rv")), textAt(object, "start")};
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
  if (isTrue(call.param("sendInitialEvents"))) {
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

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hexDigit(text[i + 1]) >= 0 && hexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(hexDigit(text[i + 1]) * 16 + hexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parseQuery(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> all;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto part = text.substr(0, end);
    const auto equal = std::min(part.find('='), part.size());
    if (!part.empty()) {
      all.emplace_back(unescape(part.substr(0, equal)),
                       equal < part.size() ? unescape(part.substr(equal + 1)) : std::string());
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

std::string ServerCall::param(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return "";
}

ApiServer::ApiServer(const Clock& clock, ServerSettings settings)
    : clock_(clock), settings_(std::move(settings)), store_(settings_.history), random_(settings_.seed) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) makeNamespace(name);
  load({{"apiVersion", "v1"},
        {"kind", "Service"},
        {"metadata",
         {{"name", "kubernetes"}, {"labels", {{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
        {"spec",
         {{"clusterIP", "10.96.0.1"},
          {"ports", json::array{json::object{
                        {"name", "https"}, {"protocol", "TCP"}, {"port", 443}, {"targetPort", 6443}}}}}}});
}

json::object ApiServer::save() const {
  auto saved = store_.save();
  saved["nextClusterIp"] = next_cluster_ip_;
  saved["nextPodCidr"] = next_pod_cidr_;
  return saved;
}

void ApiServer::restore(const json::object& saved) {
  store_.restore(saved);
  next_cluster_ip_ = static_cast<uint32_t>(numberAt(saved, "nextClusterIp", next_cluster_ip_));
  next_pod_cidr_ = static_cast<uint32_t>(numberAt(saved, "nextPodCidr", next_pod_cidr_));
}

const Pki& ApiServer::pki() {
  if (!settings_.pki) settings_.pki = Pki::create(clock_).value();  // fails only without memory or entropy
  return *settings_.pki;
}

ApiServer::Reply ApiServer::handle(const ServerCall& call) {
  if (call.method == "GET") {
    if (auto answer = discovery(call.path)) return std::move(*answer);
  }
  const auto path = parseResourcePath(call.path);
  if (path.type == nullptr) return pathNotFound();
  if (settings_.node_rules) {
    if (auto refused = nodeRefusal(store_, call, path, settings_.node_proxier)) return std::move(*refused);
  }
  auto reply = dispatch(call, path);
  finishNamespaces();
  return reply;
}

ApiServer::Reply ApiServer::dispatch(const ServerCall& call, const ResourcePath& path) {
  const bool collection = path.name.empty();
  const auto& name = path.type->name;
  if (path.subresource == "log" || path.subresource == "exec" || path.subresource == "attach" ||
      path.subresource == "portforward")
    return internalError("the stand-in does not proxy to nodes: " + path.subresource);
  if (path.type->review && call.method != "POST") return methodNotAllowed(name, call.method);
  if (call.method == "GET") {
    if (collection || isTrue(call.param("watch"))) return list(call, path);
    return read(call, path);
  }
  if (call.method == "POST") {
    if (path.subresource == "binding" || (collection && name.plural == "bindings")) return bind(call, path);
    if (path.subresource == "eviction") return evict(call, path);
    if (path.subresource == "token") return requestToken(call, path);
    if (collection) return createIn(call, path);
  }
  if (call.method == "PUT" && !collection) return replace(call, path);
  if (call.method == "PATCH" && !collection) return patchOf(call, path);
  if (call.method == "DELETE" && path.subresource.empty())
    return collection ? removeAll(call, path) : removeOf(call, path);
  return methodNotAllowed(name, call.method);
}

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
  if (const auto token = call.param("continue"); !token.empty()) {
    auto decoded = decodeContinue(token);
    if (!decoded) return std::move(decoded).error();
    place = decoded.value();
  } else if (const auto version = call.param("resourceVersion"); !version.empty() && version != "0") {
    const auto wanted = numberOf(version);
    if (!wanted) return badVersion(version);
    if (*wanted > store_.version()) return tooLarge(*wanted, store_.version());
    if (call.param("resourceVersionMatch") == "Exact") place.version = *wanted;
  }
  const auto objects = store_.snapshot(path.type->collection(), place.version);
  if (!objects) {
    return expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list "
        "without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of "
        "the results. Continuing with the provided token results in an inconsistent list - objects that were "
        "created, modified, or deleted between the time the first chunk was returned and now may show up in "
        "the "
        "list.");
  }
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

Answer ApiServer::call(std::string method, const std::string& path, json::value body, std::string type) {
  ServerCall made;
  made.method = std::move(method);
  const auto mark = std::min(path.find('?'), path.size());
  made.path = path.substr(0, mark);
  if (mark < path.size()) made.query = parseQuery(std::string_view(path).substr(mark + 1));
  made.body = std::move(body);
  made.content_type = std::move(type);
  auto reply = handle(made);
  if (auto* answer = std::get_if<Answer>(&reply)) return std::move(*answer);
  return badRequest("a watch is opened with handle()");
}

Answer ApiServer::get(const std::string& path) { return call("GET", path, nullptr, "application/json"); }
Answer ApiServer::create(const std::string& path, json::value body) {
  return call("POST", path, std::move(body), "application/json");
}
Answer ApiServer::put(const std::string& path, json::value body) {
  return call("PUT", path, std::move(body), "application/json");
}
Answer ApiServer::patch(const std::string& path, json::value body, const std::string& type) {
  return call("PATCH", path, std::move(body), type);
}
Answer ApiServer::remove(const std::string& path, json::value options) {
  return call("DELETE", path, std::move(options), "application/json");
}

Answer ApiServer::load(json::object object) {
  const auto* type = resourceOfKind(textAt(object, "apiVersion"), textAt(object, "kind"));
  if (type == nullptr) {
    return badRequest(fmt::format("no matches for kind \"{}\" in version \"{}\"", textAt(object, "kind"),
                                  textAt(object, "apiVersion")));
  }
  auto path = type->name.group.empty() ? "/api/" + type->version : "/apis/" + type->apiVersion();
  if (type->namespaced) {
    const auto name_space = textAt(object, "metadata.namespace");
    path += "/namespaces/" + (name_space.empty() ? "default" : name_space);
  }
  return create(path + "/" + type->name.plural, std::move(object));
}

}  // namespace keelson::fakes
