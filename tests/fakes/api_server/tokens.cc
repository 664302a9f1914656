// Tokens of service accounts, and reviews of tokens and of access.
#include <algorithm>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {
namespace {

constexpr int64_t kWarnOnlyExpiration = 3607;  // what the kube-api-access volume asks for
constexpr int64_t kExtendedExpiration = int64_t{365} * 24 * 3600;

User serviceAccountUser(const json::object& claims) {
  const auto* kubernetes = claims.if_contains("kubernetes.io");
  const auto name_space =
      kubernetes != nullptr && kubernetes->is_object() ? textAt(kubernetes->get_object(), "namespace") : "";
  User user;
  user.name = textAt(claims, "sub");
  user.uid = kubernetes != nullptr ? textAt(kubernetes->as_object(), "serviceaccount.uid") : "";
  user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + name_space, "system:authenticated"};
  const std::string prefix = "authentication.kubernetes.io/";
  user.extra[prefix + "credential-id"] = {"JTI=" + textAt(claims, "jti")};
  for (const char* bound : {"node", "pod"}) {
    const auto* found = kubernetes != nullptr ? kubernetes->as_object().if_contains(bound) : nullptr;
    if (found == nullptr || !found->is_object()) continue;
    for (const char* field : {"name", "uid"})
      user.extra[prefix + bound + "-" + field] = {textAt(found->get_object(), field)};
  }
  return user;
}

json::array intersection(const json::array& left, const json::array& right) {
  json::array both;
  for (const auto& each : left)
    if (std::find(right.begin(), right.end(), each) != right.end()) both.push_back(each);
  return both;
}

}  // namespace

// pkg/registry/core/serviceaccount/storage/token.go
Answer ApiServer::requestToken(const ServerCall& call, const ResourcePath& path) {
  const ResourceName requests{"authentication.k8s.io", "tokenrequests", "TokenRequest"};
  const auto account = store_.get("serviceaccounts", path.key());
  if (!account) return notFound(path.type->name, path.name);
  if (!call.body.is_object()) return badRequest("the body of a token request is an object");
  json::object request = call.body.get_object();
  auto& spec = objectAt(request, "spec");
  setDefault(spec, "expirationSeconds", 3600);
  const auto asked = numberAt(spec, "expirationSeconds");
  if (asked < 600 || asked > (int64_t{1} << 32)) {
    return invalid(requests, "",
                   {{"FieldValueInvalid", "spec.expirationSeconds",
                     fmt::format("Invalid value: {}: {}", asked,
                                 asked < 600 ? "may not specify a duration less than 10 minutes"
                                             : "may not specify a duration larger than 2^32 seconds")}});
  }
  const json::array own{settings_.issuer};
  const auto* given = find(spec, "audiences");
  if (given == nullptr || !given->is_array() || given->get_array().empty()) spec["audiences"] = own;
  json::object kubernetes{
      {"namespace", path.name_space},
      {"serviceaccount", {{"name", path.name}, {"uid", textAt(*account, "metadata.uid")}}}};
  if (const auto* bound = find(spec, "boundObjectRef"); bound != nullptr && bound->is_object()) {
    const auto& reference = bound->get_object();
    const auto kind = textAt(reference, "kind"), name = textAt(reference, "name"),
               uid = textAt(reference, "uid");
    const auto* type = kind == "Pod"      ? resourceOf("", "pods")
                       : kind == "Secret" ? resourceOf("", "secrets")
                                          : nullptr;
    if (type == nullptr) return badRequest("cannot bind token to object of type " + kind);
    const auto object = store_.get(type->collection(), path.name_space + "/" + name);
    if (!object) return notFound(type->name, name);
    if (!uid.empty() && uid != textAt(*object, "metadata.uid")) {
      return conflict(
          {"", kind, kind}, name,
          fmt::format("the UID in the bound object reference ({}) does not match the UID in record. The "
                      "object might have been deleted and then recreated",
                      uid));
    }
    if (kind == "Pod" && textAt(*object, "spec.serviceAccountName") != path.name) {
      return badRequest(
          fmt::format("cannot bind token for serviceaccount \"{}\" to pod running with different "
                      "serviceaccount name.",
                      path.name));
    }
    json::object who{{"name", name}, {"uid", textAt(*object, "metadata.uid")}};
    kubernetes[kind == "Pod" ? "pod" : "secret"] = std::move(who);
    if (const auto node = store_.get("nodes", textAt(*object, "spec.nodeName")); kind == "Pod" && node)
      kubernetes["node"] =
          json::object{{"name", textAt(*node, "metadata.name")}, {"uid", textAt(*node, "metadata.uid")}};
  }
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
  int64_t life = asked;
  if (asked == kWarnOnlyExpiration &&
      spec["audiences"] == own) {  // --service-account-extend-token-expiration
    kubernetes["warnafter"] = now + asked;
    life = kExtendedExpiration;
  }
  const json::object claims{{"aud", spec["audiences"]},
                            {"exp", now + life},
                            {"iat", now},
                            {"iss", settings_.issuer},
                            {"jti", newUid()},
                            {"kubernetes.io", std::move(kubernetes)},
                            {"nbf", now},
                            {"sub", "system:serviceaccount:" + path.name_space + ":" + path.name}};
  auto token = pki().signToken(claims);
  if (!token) return internalError(token.error().text);
  request["kind"] = "TokenRequest";
  request["apiVersion"] = "authentication.k8s.io/v1";
  auto& meta = objectAt(request, "metadata");
  meta["name"] = path.name;
  meta["uid"] = textAt(*account, "metadata.uid");
  meta["namespace"] = path.name_space;
  meta["creationTimestamp"] = formatTime(clock_.wall());
  request["status"] = json::object{
      {"token", *token}, {"expirationTimestamp", formatTime(clock_.wall() + std::chrono::seconds(asked))}};
  return {201, std::move(request), {}};
}

std::optional<User> ApiServer::authenticate(std::string_view token) {
  if (const auto known = settings_.tokens.find(std::string(token)); known != settings_.tokens.end())
    return known->second;
  const auto claims = claimsOf(token, json::array{settings_.issuer});
  return claims ? std::optional(serviceAccountUser(*claims)) : std::nullopt;
}

// The claims of a token that is in its time, for one of these audiences, and whose objects live.
std::optional<json::object> ApiServer::claimsOf(std::string_view token, const json::array& audiences) {
  const auto claims = pki().verifyToken(token);
  if (!claims) return std::nullopt;
  const auto* meant = claims->if_contains("aud");
  if (meant == nullptr || !meant->is_array() || intersection(meant->get_array(), audiences).empty())
    return std::nullopt;
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
  if (numberAt(*claims, "exp") <= now) return std::nullopt;
  const auto* kubernetes = claims->if_contains("kubernetes.io");
  if (kubernetes == nullptr || !kubernetes->is_object()) return std::nullopt;
  const auto& bound = kubernetes->get_object();
  const auto name_space = textAt(bound, "namespace");
  const auto lives = [&](const char* what,
                         const char* collection) {  // a bound object that is gone ends the token
    const auto name = textAt(bound, std::string(what) + ".name");
    if (name.empty()) return true;
    const auto object = store_.get(collection, name_space + "/" + name);
    return object && textAt(*object, "metadata.uid") == textAt(bound, std::string(what) + ".uid");
  };
  if (!lives("serviceaccount", "serviceaccounts") || !lives("pod", "pods")) return std::nullopt;
  return *claims;
}

Answer ApiServer::reviewToken(json::object review) {
  const auto token = textAt(review, "spec.token");
  const json::array own{settings_.issuer};
  const auto* asked = find(review, "spec.audiences");
  const bool named = asked != nullptr && asked->is_array() && !asked->get_array().empty();
  const auto audiences = named ? asked->get_array() : own;
  const auto claims = claimsOf(token, audiences);
  const auto user = claims ? std::optional(serviceAccountUser(*claims)) : authenticate(token);
  json::object status;
  if (user) {
    status["authenticated"] = true;
    json::object told{
        {"username", user->name}, {"uid", user->uid}, {"groups", json::value_from(user->groups)}};
    if (!user->extra.empty()) told["extra"] = json::value_from(user->extra);
    status["user"] = std::move(told);
    status["audiences"] = claims ? intersection(audiences, claims->at("aud").as_array()) : own;
  } else {
    status["error"] = "invalid bearer token";
  }
  review["status"] = std::move(status);
  review["kind"] = "TokenReview";
  review["apiVersion"] = "authentication.k8s.io/v1";
  setDefault(review, "metadata", json::object());
  return {201, std::move(review), {}};
}

Answer ApiServer::reviewAccess(json::object review, const User& user) {
  json::object spec = objectAt(review, "spec");
  std::vector<std::string> groups;
  if (textAt(review, "kind") == "SelfSubjectAccessReview") {
    spec["user"] = user.name;
    groups = user.groups;
  } else if (const auto* given = find(spec, "groups"); given != nullptr && given->is_array()) {
    for (const auto& group : given->get_array())
      if (group.is_string()) groups.emplace_back(group.get_string());
  }
  const bool allowed = settings_.authorize ? settings_.authorize(spec) : !isStranger(groups);
  review["status"] = json::object{{"allowed", allowed}};
  setDefault(review, "metadata", json::object());
  return {201, std::move(review), {}};
}

}  // namespace keelson::fakes
