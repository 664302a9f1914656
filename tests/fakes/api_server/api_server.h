// The stand-in API server without its network: requests in, answers and watches out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "tests/fakes/api_server/answer.h"
#include "tests/fakes/api_server/object_store.h"
#include "tests/fakes/api_server/pki.h"
#include "tests/fakes/api_server/resources.h"
#include "tests/fakes/api_server/watch.h"

namespace keelson::fakes {

struct User {
  std::string name = "kubernetes-admin", uid;
  std::vector<std::string> groups = {"system:masters", "system:authenticated"};
  std::map<std::string, std::vector<std::string>> extra = {};
};

struct ServerCall {
  std::string method = "GET", path;
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  json::value body;
  std::string content_type = "application/json";
  bool table = false;
  User user;
  std::string param(std::string_view name) const;
};

struct ServerSettings {
  size_t history = 10000;                 // changes that watches may resume from
  bool service_account_admission = true;  // the account's name and the kube-api-access volume
  bool allocate_pod_cidrs = false;  // a /24 of 10.244.0.0/16 for each Node, as the controller manager does
  bool node_rules = true;           // nodes may do only what upstream allows them (node_rules.h) ...
  bool node_proxier = true;         // ... and what their service proxy needs
  bool node_lifecycle = true;       // a Node that says it is Ready loses the taint it was born with ...
  bool approve_requests = false;    // ... and clients' requests are approved: kube-controller-manager's part
  std::string bind_all_to;          // a scheduler: pods without a node go there
  std::string issuer = "https://kubernetes.default.svc.cluster.local";
  std::map<std::string, User> tokens;  // bearer tokens besides those of service accounts
  std::shared_ptr<const Pki> pki;      // made at first need
  uint32_t seed = 1;                   // of uids and generated names
  // SubjectAccessReviews: its answer for a spec. Null: as for requests, the stand-in knows no roles; it
  // allows all to administrators, nodes, bootstrap tokens and service accounts, nothing to others.
  std::function<bool(const json::object&)> authorize;
};

// An honest peer of kube-apiserver for a node and kubectl: see README.md for what it serves. Everything
// happens at once inside handle(): no thread, no timer. Owned by a test or by HttpFront. One thread (or the
// loop).
class ApiServer {
 public:
  ApiServer(const Clock& clock, ServerSettings settings = {});
  using Reply = std::variant<Answer, std::unique_ptr<Watch>>;
  Reply handle(const ServerCall& call);

  // As the administrator, for tests: a path as in a URL ("/api/v1/namespaces/default/pods?limit=1").
  Answer get(const std::string& path);
  Answer create(const std::string& path, json::value body);
  Answer put(const std::string& path, json::value body);
  Answer patch(const std::string& path, json::value body,
               const std::string& type = "application/strategic-merge-patch+json");
  Answer remove(const std::string& path, json::value options = nullptr);
  // Creates the object where its kind belongs ("default" if it names no namespace).
  Answer load(json::object object);

  // Who a bearer token or a client certificate's subject speaks for; nothing: nobody.
  std::optional<User> authenticate(std::string_view token);

  // Everything that a restart must not lose, and back.
  json::object save() const;
  void restore(const json::object& saved);

  ObjectStore& store() { return store_; }
  WatchFaults& watchFaults() { return watch_faults_; }
  ServerSettings& settings() { return settings_; }
  const Pki& pki();

 private:
  Answer call(std::string method, const std::string& path, json::value body, std::string type);
  Reply dispatch(const ServerCall& call, const ResourcePath& path);
  Reply list(const ServerCall& call, const ResourcePath& path);
  Answer read(const ServerCall& call, const ResourcePath& path);
  Answer createIn(const ServerCall& call, const ResourcePath& path);
  Answer replace(const ServerCall& call, const ResourcePath& path);
  Answer patchOf(const ServerCall& call, const ResourcePath& path);
  Answer removeOf(const ServerCall& call, const ResourcePath& path);
  Answer removeAll(const ServerCall& call, const ResourcePath& path);

  Outcome<json::object> prepared(const ServerCall& call, const ResourcePath& path, json::object object);
  Outcome<json::object> admitted(json::object object, const ResourcePath& path, const User& user);
  Outcome<void> afterCreate(const ResourceType& type, const std::string& key);
  Outcome<Object> store(const ResourcePath& path, const Object& was, json::object now);
  Outcome<json::object> checked(const ResourcePath& path, const json::object& was, json::object now);

  Answer bind(const ServerCall& call, const ResourcePath& path);
  Answer evict(const ServerCall& call, const ResourcePath& path);
  Answer requestToken(const ServerCall& call, const ResourcePath& path);
  std::optional<json::object> claimsOf(std::string_view token, const json::array& audiences);
  Answer reviewToken(json::object review);
  Answer reviewAccess(json::object review, const User& user);
  void signRequest(const std::string& key);
  void endNotReadyTaint(const std::string& key);
  void makeNamespace(const std::string& name);
  void finishNamespaces();

  std::string newUid();
  std::string suffix();  // five letters, as generateName

  const Clock& clock_;
  ServerSettings settings_;
  ObjectStore store_;
  WatchFaults watch_faults_;
  std::mt19937_64 random_;
  uint32_t next_cluster_ip_ = 10, next_pod_cidr_ = 0;
};

// Nobody that the stand-in knows: neither administrator, node, bootstrap token nor service account.
bool isStranger(const std::vector<std::string>& groups);
// 409 if the object is not the one that DeleteOptions.preconditions mean.
Outcome<void> checkPreconditions(const ServerCall& call, const json::object& object,
                                 const ResourceType& type);
// A condition of this type is in the object's status.conditions.
bool hasCondition(const json::object& object, std::string_view type);

// "a=b&c=d%20e" as pairs.
std::vector<std::pair<std::string, std::string>> parseQuery(std::string_view text);

}  // namespace keelson::fakes
