#include "kubelet/server/node_guard.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace keelson::kubelet::server {
namespace {

constexpr size_t kMaxToken = 64 * 1024;

bool isUnder(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

Reply plain(int status, std::string text) {
  Reply reply = Reply::ofText(std::move(text));
  reply.status = status;
  return reply;
}

std::string verbOf(const std::string& method) {
  if (method == "GET") return "get";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "";
}

void addGroup(Identity& user, const char* group) {
  if (std::find(user.groups.begin(), user.groups.end(), group) == user.groups.end())
    user.groups.emplace_back(group);
}

}  // namespace

NeededRight neededRight(const RequestHead& head) {
  NeededRight right{verbOf(head.method), {}};
  const std::string_view path = head.path;
  const bool stream = isUnder(path, "/exec") || isUnder(path, "/attach") || isUnder(path, "/portForward");
  if (right.verb == "get" && (stream || head.upgrade)) right.verb = "create";
  if (isUnder(path, "/pods") || isUnder(path, "/runningpods")) right.subresources.push_back("pods");
  if (isUnder(path, "/healthz")) right.subresources.push_back("healthz");
  if (isUnder(path, "/configz")) right.subresources.push_back("configz");
  const char* own = isUnder(path, "/stats")        ? "stats"
                    : isUnder(path, "/metrics")    ? "metrics"
                    : isUnder(path, "/logs")       ? "log"
                    : isUnder(path, "/checkpoint") ? "checkpoint"
                    : isUnder(path, "/statusz")    ? "statusz"
                    : isUnder(path, "/flagz")      ? "configz"
                                                   : "proxy";
  right.subresources.push_back(own);
  return right;
}

std::string bearerToken(const std::string& authorization) {
  constexpr std::string_view kType = "bearer ";
  if (authorization.size() <= kType.size()) return "";
  const bool bearer = std::equal(kType.begin(), kType.end(), authorization.begin(), [](char want, char have) {
    return want == (have >= 'A' && have <= 'Z' ? static_cast<char>(have - 'A' + 'a') : have);
  });
  if (!bearer) return "";
  const size_t first = authorization.find_first_not_of(' ', kType.size());
  if (first == std::string::npos) return "";
  const size_t last = authorization.find(' ', first);
  std::string token = authorization.substr(first, last == std::string::npos ? last : last - first);
  return token.size() > kMaxToken ? "" : token;
}

NodeGuard::NodeGuard(const Clock& clock, NodeGuardSettings settings, ReviewSettings reviews)
    : clock_(clock), settings_(std::move(settings)), reviews_(clock, reviews) {}

void NodeGuard::setAuthorities(std::shared_ptr<const ClientAuthorities> authorities) {
  authorities_ = std::move(authorities);
}

void NodeGuard::check(RequestHead head, Verdict verdict) {
  const auto kept = std::make_shared<const RequestHead>(std::move(head));
  bool shown = false;  // credentials that proved nothing: then nobody is anonymous
  if (kept->certificates && !kept->certificates->empty() && authorities_) {
    shown = true;
    if (auto user = authorities_->identify(*kept->certificates, clock_.wall())) {
      addGroup(*user, kAuthenticated);
      return authorize(kept, std::move(user).value(), std::move(verdict));
    }
  }
  const std::string token = bearerToken(kept->authorization);
  const bool asked = settings_.token_review && !token.empty();
  if (asked) {
    return reviews_.who(token, [self = shared_from_this(), kept, verdict](const Result<Identity>& who) {
      if (!who) return verdict(plain(401, "Unauthorized"));
      Identity user = *who;
      addGroup(user, kAuthenticated);
      self->authorize(kept, std::move(user), verdict);
    });
  }
  if (shown || !settings_.anonymous) return verdict(plain(401, "Unauthorized"));
  authorize(kept, {kAnonymous, "", {kUnauthenticated}, {}}, std::move(verdict));
}

struct NodeGuard::Decision {
  NeededRight right;
  Identity user;
  Verdict verdict;
  size_t next = 0;
};

void NodeGuard::authorize(const std::shared_ptr<const RequestHead>& head, Identity user, Verdict verdict) {
  if (settings_.always_allow) return verdict(std::nullopt);
  tryNext(std::make_shared<Decision>(Decision{neededRight(*head), std::move(user), std::move(verdict)}));
}

void NodeGuard::tryNext(const std::shared_ptr<Decision>& decision) {
  const auto& [verb, subresources] = decision->right;
  if (decision->next == subresources.size())
    return decision->verdict(
        plain(403, fmt::format("Forbidden (user={}, verb={}, resource=nodes, subresource(s)=[{}])\n",
                               decision->user.name, verb, fmt::join(subresources, " "))));
  const Attributes attributes{decision->user, verb, subresources[decision->next++], settings_.node_name};
  reviews_.may(attributes, [self = shared_from_this(), decision, attributes](const Result<bool>& allowed) {
    if (!allowed)
      return decision->verdict(
          plain(500, fmt::format("Authorization error (user={}, verb={}, resource=nodes, subresource={})",
                                 attributes.user.name, attributes.verb, attributes.subresource)));
    if (*allowed) return decision->verdict(std::nullopt);
    self->tryNext(decision);
  });
}

}  // namespace keelson::kubelet::server
