#include "kubelet/server/review_client.h"

#include "base/sha256.h"

namespace keelson::kubelet::server {
namespace {

constexpr size_t kMaxCached = 4096;
constexpr size_t kMaxQuestions = 256;  // under way; each may have waiters
constexpr size_t kMaxWaiting = 1024;

json::array strings(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

const json::object* objectIn(const json::value& value, const char* name) {
  const json::object* object = value.if_object();
  const json::value* found = object ? object->if_contains(name) : nullptr;
  return found ? found->if_object() : nullptr;
}

std::string textIn(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_string() ? std::string(found->get_string()) : "";
}

bool flagIn(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_bool() && found->get_bool();
}

std::vector<std::string> textsIn(const json::value* value) {
  std::vector<std::string> texts;
  const json::array* array = value ? value->if_array() : nullptr;
  if (!array) return texts;
  for (const auto& each : *array)
    if (each.is_string()) texts.emplace_back(each.get_string());
  return texts;
}

json::object extraOf(const Identity& user) {
  json::object extra;
  for (const auto& [name, values] : user.extra) extra[name] = strings(values);
  return extra;
}

}  // namespace

json::value buildTokenReview(const std::string& token) {
  return {{"kind", "TokenReview"}, {"apiVersion", "authentication.k8s.io/v1"}, {"spec", {{"token", token}}}};
}

Result<Identity> readTokenReview(const json::value& answer) {
  const json::object* status = objectIn(answer, "status");
  if (!status) return makeError(Code::kInternal, "TokenReview: an answer without a status");
  if (!flagIn(*status, "authenticated")) {
    const std::string error = textIn(*status, "error");
    return makeError(Code::kPermissionDenied, "{}", error.empty() ? "the token is not valid" : error);
  }
  const json::value* user_value = status->if_contains("user");
  const json::object* user = user_value ? user_value->if_object() : nullptr;
  if (!user || textIn(*user, "username").empty())
    return makeError(Code::kInternal, "TokenReview: authenticated, but nobody is named");
  Identity identity{
      textIn(*user, "username"), textIn(*user, "uid"), textsIn(user->if_contains("groups")), {}};
  if (const json::object* extra = objectIn(*user_value, "extra")) {
    for (const auto& [name, values] : *extra) identity.extra[std::string(name)] = textsIn(&values);
  }
  return identity;
}

json::value buildAccessReview(const Attributes& attributes) {
  json::object spec{{"resourceAttributes",
                     {{"verb", attributes.verb},
                      {"version", "v1"},
                      {"resource", "nodes"},
                      {"subresource", attributes.subresource},
                      {"name", attributes.node}}},
                    {"user", attributes.user.name},
                    {"groups", strings(attributes.user.groups)}};
  if (!attributes.user.uid.empty()) spec["uid"] = attributes.user.uid;
  if (!attributes.user.extra.empty()) spec["extra"] = extraOf(attributes.user);
  return {
      {"kind", "SubjectAccessReview"}, {"apiVersion", "authorization.k8s.io/v1"}, {"spec", std::move(spec)}};
}

Result<bool> readAccessReview(const json::value& answer) {
  const json::object* status = objectIn(answer, "status");
  if (!status) return makeError(Code::kInternal, "SubjectAccessReview: an answer without a status");
  return flagIn(*status, "allowed") && !flagIn(*status, "denied");
}

ReviewClient::ReviewClient(const Clock& clock, ReviewSettings settings)
    : settings_(settings), tokens_(clock, kMaxCached), accesses_(clock, kMaxCached) {}

void ReviewClient::setClient(api::client::ApiClient* client) {
  client_ = client;
  auto questions = std::move(questions_);
  questions_.clear();
  for (auto& [key, question] : questions) {
    question.call.reset();
    for (const auto& done : question.waiting)
      done(makeError(Code::kUnavailable, "the connection to the API server was given up"));
  }
}

void ReviewClient::who(const std::string& token, WhoDone done) {
  const std::string key = "token " + sha256Hex(token);
  if (const auto known = tokens_.find(key)) return done(*known);
  ask("/apis/authentication.k8s.io/v1/tokenreviews", buildTokenReview(token), key,
      [this, key, done = std::move(done)](const Result<json::value>& answer) {
        if (!answer) return done(answer.error());
        auto identity = readTokenReview(*answer);
        if (identity || identity.error().code == Code::kPermissionDenied)
          tokens_.put(key, identity, settings_.token_ttl);
        done(identity);
      });
}

void ReviewClient::may(const Attributes& attributes, MayDone done) {
  json::value body = buildAccessReview(attributes);
  const std::string key = "access " + sha256Hex(json::serialize(body));
  if (const auto known = accesses_.find(key)) return done(*known);
  ask("/apis/authorization.k8s.io/v1/subjectaccessreviews", std::move(body), key,
      [this, key, done = std::move(done)](const Result<json::value>& answer) {
        const auto allowed = answer ? readAccessReview(*answer) : Result<bool>(answer.error());
        if (allowed) accesses_.put(key, *allowed, *allowed ? settings_.allowed_ttl : settings_.denied_ttl);
        done(allowed);
      });
}

void ReviewClient::ask(const char* path, json::value body, const std::string& key, AnswerDone done) {
  if (!client_) return done(makeError(Code::kUnavailable, "the API server is not known yet"));
  const auto under_way = questions_.find(key);
  const bool full = under_way == questions_.end() ? questions_.size() >= kMaxQuestions
                                                  : under_way->second.waiting.size() >= kMaxWaiting;
  if (full)
    return done(makeError(Code::kResourceExhausted, "too many questions to the API server are under way"));
  if (under_way != questions_.end()) return under_way->second.waiting.push_back(std::move(done));
  Question& question = questions_[key];
  question.waiting.push_back(std::move(done));
  api::client::ApiRequest request;
  request.method = "POST";
  request.path = path;
  request.body = std::move(body);
  request.request_class = api::client::ApiRequest::Class::kPaced;
  question.call = client_->send(std::move(request), [this, key](Result<json::value> answer) {
    auto node = questions_.extract(key);  // its call ends with it, which a callback may do
    if (node.empty()) return;
    for (const auto& waiting : node.mapped().waiting) waiting(answer);
  });
}

}  // namespace keelson::kubelet::server
