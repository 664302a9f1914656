#include "tests/fakes/api_server/answer.h"

#include <algorithm>

namespace keelson::fakes {
namespace {

json::object detailsOf(const ResourceName& resource, std::string_view name) {
  json::object details;
  if (!name.empty()) details["name"] = name;
  if (!resource.group.empty()) details["group"] = resource.group;
  details["kind"] = resource.plural;
  return details;
}

}  // namespace

Answer statusFailure(int code, std::string_view reason, std::string_view message, json::object details) {
  json::object status{{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
                      {"status", "Failure"}, {"message", message}, {"reason", reason}};
  if (!details.empty()) status["details"] = std::move(details);
  status["code"] = code;
  return {code, std::move(status), {}};
}

Answer notFound(const ResourceName& resource, std::string_view name) {
  return statusFailure(404, "NotFound", fmt::format("{} \"{}\" not found", resource.str(), name),
                       detailsOf(resource, name));
}

Answer pathNotFound() {
  return statusFailure(404, "NotFound", "the server could not find the requested resource", {});
}

Answer alreadyExists(const ResourceName& resource, std::string_view name) {
  return statusFailure(409, "AlreadyExists", fmt::format("{} \"{}\" already exists", resource.str(), name),
                       detailsOf(resource, name));
}

Answer conflict(const ResourceName& resource, std::string_view name, std::string_view why) {
  return statusFailure(
      409, "Conflict",
      fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", resource.str(), name, why),
      detailsOf(resource, name));
}

Answer modifiedConflict(const ResourceName& resource, std::string_view name) {
  return conflict(
      resource, name,
      "the object has been modified; please apply your changes to the latest version and try again");
}

Answer invalid(const ResourceName& resource, std::string_view name, const std::vector<FieldCause>& causes) {
  json::array list;
  std::vector<std::string> sentences;  // each once, as utilerrors.Aggregate
  for (const auto& cause : causes) {
    list.push_back(json::object{{"reason", cause.type}, {"message", cause.message}, {"field", cause.field}});
    auto sentence = cause.field + ": " + cause.message;
    if (std::find(sentences.begin(), sentences.end(), sentence) == sentences.end())
      sentences.push_back(std::move(sentence));
  }
  auto joined = fmt::format("{}", fmt::join(sentences, ", "));
  if (sentences.size() > 1) joined = "[" + joined + "]";
  json::object details;
  if (!name.empty()) details["name"] = name;
  if (!resource.group.empty()) details["group"] = resource.group;
  details["kind"] = resource.kind;
  details["causes"] = std::move(list);
  return statusFailure(422, "Invalid",
                       fmt::format("{} \"{}\" is invalid: {}", resource.kindStr(), name, joined),
                       std::move(details));
}

Answer invalidPatch(std::string_view patch, std::string_view why) {
  const auto message = fmt::format("Invalid value: {}: {}", json::serialize(json::value(patch)), why);
  json::array causes{json::object{{"reason", "FieldValueInvalid"}, {"message", message}, {"field", "patch"}}};
  return statusFailure(422, "Invalid", " \"\" is invalid: patch: " + message,
                       {{"causes", std::move(causes)}});
}

Answer badRequest(std::string_view message) { return statusFailure(400, "BadRequest", message); }

Answer forbidden(const ResourceName& resource, std::string_view name, std::string_view why) {
  return statusFailure(403, "Forbidden",
                       name.empty() ? fmt::format("{} is forbidden: {}", resource.str(), why)
                                    : fmt::format("{} \"{}\" is forbidden: {}", resource.str(), name, why),
                       detailsOf(resource, name));
}

Answer unauthorized() { return statusFailure(401, "Unauthorized", "Unauthorized"); }

Answer expired(std::string_view message) { return statusFailure(410, "Expired", message); }

Answer methodNotAllowed(const ResourceName&, std::string_view) {
  return statusFailure(405, "MethodNotAllowed",
                       "the server does not allow this method on the requested resource", {});
}

Answer unsupportedMediaType(std::string_view type) {
  return statusFailure(
      415, "UnsupportedMediaType",
      fmt::format("the body of the request was in an unknown format - accepted media types "
                  "include: application/json, application/json-patch+json, "
                  "application/merge-patch+json, application/strategic-merge-patch+json; got {}",
                  type));
}

Answer internalError(std::string_view why) {
  return statusFailure(500, "InternalError", fmt::format("Internal error occurred: {}", why),
                       {{"causes", json::array{json::object{{"message", why}}}}});
}

Answer tooManyRequests(int retry_after_seconds) {
  auto answer = statusFailure(429, "TooManyRequests", "too many requests, please try again later",
                              {{"retryAfterSeconds", retry_after_seconds}});
  answer.headers.emplace_back("Retry-After", std::to_string(retry_after_seconds));
  return answer;
}

Answer createdStatus() {
  return {201,
          json::object{{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", json::object()},
                       {"status", "Success"},
                       {"code", 201}},
          {}};
}

Answer deleted(const ResourceName& resource, std::string_view name, std::string_view uid) {
  auto details = detailsOf(resource, name);
  details["uid"] = uid;
  return {200,
          json::object{{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", json::object()},
                       {"status", "Success"},
                       {"details", std::move(details)}},
          {}};
}

}  // namespace keelson::fakes
