// TokenReview and SubjectAccessReview, with caches.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "kubelet/server/answer_cache.h"
#include "kubelet/server/identity.h"

namespace keelson::kubelet::server {

struct ReviewSettings {
  Duration token_ttl = std::chrono::minutes(2);    // authentication.webhook.cacheTTL
  Duration allowed_ttl = std::chrono::minutes(5);  // authorization.webhook.cacheAuthorizedTTL
  Duration denied_ttl = std::chrono::seconds(30);  // authorization.webhook.cacheUnauthorizedTTL
};

// What is asked: may `user` do `verb` to nodes/<subresource> of this node.
struct Attributes {
  Identity user;
  std::string verb, subresource, node;
};

// Bodies of the requests, and what the answers say. Pure.
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
// https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
json::value buildTokenReview(const std::string& token);
Result<Identity> readTokenReview(const json::value& answer);  // kPermissionDenied: not a valid token
json::value buildAccessReview(const Attributes& attributes);
Result<bool> readAccessReview(const json::value& answer);

// Like questions under way are asked once. Answers are kept; failures to ask are not. Home: loop.
class ReviewClient {
 public:
  ReviewClient(const Clock& clock, ReviewSettings settings);

  // Null: the API server is not known (yet); questions fail. Those under way end with an error. Outlives its
  // use.
  void setClient(api::client::ApiClient* client);

  using WhoDone = std::function<void(const Result<Identity>&)>;
  void who(const std::string& token, WhoDone done);
  using MayDone = std::function<void(const Result<bool>&)>;
  void may(const Attributes& attributes, MayDone done);

 private:
  using AnswerDone = std::function<void(const Result<json::value>&)>;
  void ask(const char* path, json::value body, const std::string& key, AnswerDone done);

  struct Question {
    std::vector<AnswerDone> waiting;
    api::client::Call call;
  };

  const ReviewSettings settings_;
  api::client::ApiClient* client_ = nullptr;
  AnswerCache<Result<Identity>> tokens_;
  AnswerCache<bool> accesses_;
  std::map<std::string, Question> questions_;
};

}  // namespace keelson::kubelet::server
