// Authentication and authorization of the node's server, as kubelet's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kubelet/server/client_certificates.h"
#include "kubelet/server/guard.h"
#include "kubelet/server/review_client.h"

namespace keelson::kubelet::server {

struct NodeGuardSettings {
  std::string node_name;
  bool token_review = true;   // authentication.webhook.enabled
  bool anonymous = false;     // authentication.anonymous.enabled
  bool always_allow = false;  // authorization.mode AlwaysAllow
};

// What a request needs: the verb, and the sub-resources of which one is enough, tried in this order. A GET
// that turns into a stream needs "create", as the POST that does the same: the right to look at a node must
// not be the right to run commands on it. Pure.
// https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
struct NeededRight {
  std::string verb;
  std::vector<std::string> subresources;
  bool operator==(const NeededRight&) const = default;
};
NeededRight neededRight(const RequestHead& head);

// The token of an Authorization header; "" if it is none of type Bearer. Pure.
std::string bearerToken(const std::string& authorization);

// A certificate, else a token, else nobody: 401. Then the right: 403. Home: loop.
class NodeGuard : public Guard, public std::enable_shared_from_this<NodeGuard> {
 public:
  NodeGuard(const Clock& clock, NodeGuardSettings settings, ReviewSettings reviews);

  // Null: no certificate is taken.
  void setAuthorities(std::shared_ptr<const ClientAuthorities> authorities);
  // See ReviewClient.
  void setClient(api::client::ApiClient* client) { reviews_.setClient(client); }

  void check(RequestHead head, Verdict verdict) override;

 private:
  void authorize(const std::shared_ptr<const RequestHead>& head, Identity user, Verdict verdict);
  struct Decision;
  void tryNext(const std::shared_ptr<Decision>& decision);

  const Clock& clock_;
  const NodeGuardSettings settings_;
  std::shared_ptr<const ClientAuthorities> authorities_;
  ReviewClient reviews_;
};

}  // namespace keelson::kubelet::server
