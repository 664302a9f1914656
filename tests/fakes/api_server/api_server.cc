#include "tests/fakes/api_server/api_server.h"

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/node_rules.h"

namespace keelson::fakes {
namespace {

bool isTrue(const std::string& text) { return text == "true" || text == "1"; }

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
  if (auto refused = strangerRefusal(call)) return std::move(*refused);
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
