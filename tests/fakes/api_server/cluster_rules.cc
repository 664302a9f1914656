// What happens beyond storing: admission, binding, tokens, certificates, namespaces.
#include "api/base64.h"
#include "api/codec.h"
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/pod_rules.h"

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
  return user;
}

bool hasCondition(const json::object& object, std::string_view type) {
  const auto* conditions = find(object, "status.conditions");
  if (conditions == nullptr || !conditions->is_array()) return false;
  for (const auto& condition : conditions->get_array()) {
    if (condition.is_object() && textAt(condition.get_object(), "type") == type) return true;
  }
  return false;
}

bool hasUsage(const json::object& csr, std::string_view usage) {
  const auto* usages = find(csr, "spec.usages");
  if (usages == nullptr || !usages->is_array()) return false;
  for (const auto& each : usages->get_array()) {
    if (each.is_string() && each.get_string() == usage) return true;
  }
  return false;
}

// pkg/apis/certificates/helpers.go: what each signer signs; "" is fine.
std::string refusal(const json::object& csr, const Subject& subject, const std::string& signer) {
  const bool node = subject.common_name.starts_with("system:node:") &&
                    subject.organizations == std::vector<std::string>{"system:nodes"};
  const bool names = !subject.dns_names.empty() || !subject.addresses.empty();
  if (!hasUsage(csr, "digital signature")) return "usages did not match: digital signature is missing";
  if (signer == "kubernetes.io/kubelet-serving") {
    if (!node) return "organization in request is not [system:nodes] or subject is no node";
    if (!names) return "DNS or IP subjectAltName is required";
    if (!hasUsage(csr, "server auth")) return "usages did not match: server auth is missing";
    return "";
  }
  if (!hasUsage(csr, "client auth")) return "usages did not match: client auth is missing";
  if (signer == "kubernetes.io/kube-apiserver-client-kubelet") {
    if (!node) return "organization in request is not [system:nodes] or subject is no node";
    if (names) return "subjectAltNames are not allowed";
  }
  return "";
}

}  // namespace

std::string ApiServer::newUid() {
  const uint64_t high = (random_() & 0xffffffffffff0fffu) | 0x4000u;
  const uint64_t low = (random_() & 0x3fffffffffffffffu) | 0x8000000000000000u;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffffu);
}

std::string ApiServer::suffix() {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";  // k8s.io/apimachinery/pkg/util/rand
  std::string out;
  for (int i = 0; i < 5; ++i) out += kLetters[random_() % kLetters.size()];
  return out;
}

Outcome<json::object> ApiServer::admitted(json::object object, const ResourcePath& path, const User& user) {
  const auto& type = *path.type;
  const auto name = textAt(object, "metadata.name");
  if (type.name.plural == "pods") {
    if (settings_.service_account_admission && !isMirrorPod(object)) {
      auto& spec = objectAt(object, "spec");
      if (textAt(spec, "serviceAccountName").empty()) {
        const auto old = textAt(spec, "serviceAccount");
        spec["serviceAccountName"] = old.empty() ? "default" : old;
      }
      spec["serviceAccount"] = textAt(spec, "serviceAccountName");
      const auto account =
          store_.get("serviceaccounts", path.name_space + "/" + textAt(spec, "serviceAccountName"));
      if (!account) {
        return forbidden(
            type.name, name,
            fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not found",
                        path.name_space, textAt(spec, "serviceAccountName"),
                        textAt(spec, "serviceAccountName")));
      }
      admitServiceAccount(object, *account, suffix());
    }
    auto pod = TRY(newPod(std::move(object), type));
    admitTolerations(pod);
    return pod;
  }
  if (type.name.plural == "namespaces") {
    objectAt(object, "metadata.labels")["kubernetes.io/metadata.name"] = name;
    object["spec"] = json::object{{"finalizers", json::array{"kubernetes"}}};
    object["status"] = json::object{{"phase", "Active"}};
  } else if (type.name.plural == "services") {
    auto& spec = objectAt(object, "spec");
    setDefault(spec, "type", "ClusterIP");
    setDefault(spec, "sessionAffinity", "None");
    setDefault(spec, "internalTrafficPolicy", "Cluster");
    if (textAt(spec, "clusterIP").empty() && textAt(spec, "type") != "ExternalName") {
      const uint32_t next = next_cluster_ip_++;
      spec["clusterIP"] = fmt::format("10.96.{}.{}", (next >> 8) & 0xff, next & 0xff);
    }
    if (const auto ip = textAt(spec, "clusterIP"); !ip.empty()) {
      spec["clusterIPs"] = json::array{ip};
      setDefault(spec, "ipFamilies", json::array{"IPv4"});
      setDefault(spec, "ipFamilyPolicy", "SingleStack");
    }
    for (auto& port : arrayAt(spec, "ports")) {
      if (!port.is_object()) continue;
      setDefault(port.get_object(), "protocol", "TCP");
      json::value target = port.get_object()["port"];
      setDefault(port.get_object(), "targetPort", std::move(target));
    }
    object["status"] = json::object{{"loadBalancer", json::object()}};
  } else if (type.name.plural == "secrets") {
    setDefault(object, "type", "Opaque");
    if (const auto* texts = find(object, "stringData"); texts != nullptr && texts->is_object()) {
      const json::object plain = texts->get_object();
      for (const auto& [key, value] : plain) {
        if (value.is_string())
          objectAt(object, "data")[key] = api::encodeBase64(std::string(value.get_string()));
      }
      object.erase("stringData");
    }
  } else if (type.name.plural == "endpointslices") {
    objectAt(object, "metadata")["generation"] = 1;
  } else if (type.name.plural == "certificatesigningrequests") {
    const auto pem = api::decodeBase64(textAt(object, "spec.request"));
    if (!pem || !Pki::readRequest(*pem)) {
      return invalid(type.name, name,
                     {{"FieldValueInvalid", "spec.request",
                       "Invalid value: null: PEM block type must be CERTIFICATE REQUEST"}});
    }
    auto& spec = objectAt(object, "spec");
    spec["username"] = user.name;
    if (!user.uid.empty()) spec["uid"] = user.uid;
    spec["groups"] = json::value_from(user.groups);
    object["status"] = json::object();
  }
  return object;
}

Outcome<void> ApiServer::afterCreate(const ResourceType& type, const std::string& key) {
  const auto& plural = type.name.plural;
  if (plural == "namespaces") makeNamespace(key);
  if (plural == "certificatesigningrequests") signRequest(key);
  if (plural == "nodes" && settings_.allocate_pod_cidrs) {
    json::object node = *store_.get("nodes", key);
    if (textAt(node, "spec.podCIDR").empty()) {
      const auto cidr = fmt::format("10.244.{}.0/24", next_pod_cidr_++ & 0xff);
      objectAt(node, "spec")["podCIDR"] = cidr;
      objectAt(node, "spec")["podCIDRs"] = json::array{cidr};
      store_.put("nodes", key, std::move(node));
    }
  }
  if (plural == "pods" && !settings_.bind_all_to.empty()) {
    const auto pod = store_.get("pods", key);
    if (textAt(*pod, "spec.nodeName").empty())
      store_.put("pods", key, TRY(boundPod(*pod, settings_.bind_all_to, clock_.wall(), type)));
  }
  return {};
}

Answer ApiServer::bind(const ServerCall& call, const ResourcePath& path) {
  const auto* body = call.body.if_object();
  if (body == nullptr) return badRequest("the body of a binding is an object");
  const auto* pods = resourceOf("", "pods");
  const auto name = path.name.empty() ? textAt(*body, "metadata.name") : path.name;
  const auto key = path.name_space + "/" + name;
  const auto pod = store_.get("pods", key);
  if (!pod) return notFound(pods->name, name);
  const auto node = textAt(*body, "target.name");
  if (node.empty())
    return invalid({"", "bindings", "Binding"}, name,
                   {{"FieldValueRequired", "target.name", "Required value"}});
  if (const auto uid = textAt(*body, "metadata.uid"); !uid.empty() && uid != textAt(*pod, "metadata.uid")) {
    return conflict(pods->name, name,
                    fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                                textAt(*pod, "metadata.uid")));
  }
  auto bound = boundPod(*pod, node, clock_.wall(), *pods);
  if (!bound) return std::move(bound).error();
  store_.put("pods", key, std::move(bound).value());
  return {201,
          json::object{{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", json::object()},
                       {"status", "Success"},
                       {"code", 201}},
          {}};
}

// No disruption budgets here: an eviction is a deletion.
Answer ApiServer::evict(const ServerCall& call, const ResourcePath& path) {
  ServerCall deletion = call;
  deletion.method = "DELETE";
  json::value options = json::object();
  if (const auto* body = call.body.if_object()) {
    if (const auto* given = find(*body, "deleteOptions"); given != nullptr && given->is_object())
      options = *given;
  }
  deletion.body = std::move(options);
  auto pod = path;
  pod.subresource.clear();
  auto answer = removeOf(deletion, pod);
  if (answer.code >= 300) return answer;
  return {201,
          json::object{{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", json::object()},
                       {"status", "Success"},
                       {"code", 201}},
          {}};
}

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
          {"", type->name.plural, kind}, name,
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
  meta["namespace"] = path.name_space;
  meta["creationTimestamp"] = formatTime(clock_.wall());
  request["status"] = json::object{
      {"token", *token}, {"expirationTimestamp", formatTime(clock_.wall() + std::chrono::seconds(asked))}};
  return {201, std::move(request), {}};
}

std::optional<User> ApiServer::authenticate(std::string_view token) {
  if (const auto known = settings_.tokens.find(std::string(token)); known != settings_.tokens.end())
    return known->second;
  const auto claims = pki().verifyToken(token);
  if (!claims) return std::nullopt;
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
  return serviceAccountUser(*claims);
}

Answer ApiServer::reviewToken(json::object review) {
  const auto token = textAt(review, "spec.token");
  json::object status;
  if (const auto user = authenticate(token)) {
    status["authenticated"] = true;
    status["user"] = json::object{
        {"username", user->name}, {"uid", user->uid}, {"groups", json::value_from(user->groups)}};
    status["audiences"] = json::array{settings_.issuer};
  } else {
    status["error"] = "[invalid bearer token]";
  }
  review["status"] = std::move(status);
  review["kind"] = "TokenReview";
  review["apiVersion"] = "authentication.k8s.io/v1";
  setDefault(review, "metadata", json::object());
  return {201, std::move(review), {}};
}

Answer ApiServer::reviewAccess(json::object review, const User& user) {
  json::object spec = objectAt(review, "spec");
  if (textAt(review, "kind") == "SelfSubjectAccessReview") spec["user"] = user.name;
  const bool allowed =
      settings_.authorize ? settings_.authorize(spec) : textAt(spec, "user") != "system:anonymous";
  review["status"] = json::object{{"allowed", allowed}};
  setDefault(review, "metadata", json::object());
  return {201, std::move(review), {}};
}

// The approver (if it is told to approve) and the signer of kube-controller-manager.
void ApiServer::signRequest(const std::string& key) {
  const std::string collection = "certificatesigningrequests.certificates.k8s.io";
  const auto was = store_.get(collection, key);
  if (!was || find(*was, "status.certificate") != nullptr || hasCondition(*was, "Denied") ||
      hasCondition(*was, "Failed"))
    return;
  json::object now = *was;
  const auto at = formatTime(clock_.wall());
  if (!hasCondition(now, "Approved")) {
    if (!settings_.approve_requests) return;
    arrayAt(now, "status.conditions")
        .push_back(
            json::object{{"type", "Approved"},
                         {"status", "True"},
                         {"reason", "AutoApproved"},
                         {"message", "Auto approving kubelet client certificate after SubjectAccessReview."},
                         {"lastUpdateTime", at},
                         {"lastTransitionTime", at}});
    store_.put(collection, key, now);
  }
  const auto signer = textAt(now, "spec.signerName");
  const bool serving = signer == "kubernetes.io/kubelet-serving";
  if (!serving && signer != "kubernetes.io/kube-apiserver-client-kubelet" &&
      signer != "kubernetes.io/kube-apiserver-client")
    return;  // somebody else's
  const auto pem = api::decodeBase64(textAt(now, "spec.request")).value_or("");
  const auto request = Pki::readRequest(pem);
  auto why = request ? refusal(now, request->subject, signer) : request.error().text;
  const auto life = std::chrono::seconds(numberAt(now, "spec.expirationSeconds", kExtendedExpiration));
  const auto use = serving ? Pki::Use::kServer : Pki::Use::kClient;
  const auto certificate = why.empty() ? pki().sign(pem, use, clock_.wall(), life)
                                       : Result<std::string>(makeError(Code::kInvalidArgument, "{}", why));
  if (certificate) {
    objectAt(now, "status")["certificate"] = api::encodeBase64(*certificate);
  } else {
    arrayAt(now, "status.conditions")
        .push_back(json::object{{"type", "Failed"},
                                {"status", "True"},
                                {"reason", "SignerValidationFailure"},
                                {"message", certificate.error().text},
                                {"lastUpdateTime", at},
                                {"lastTransitionTime", at}});
  }
  store_.put(collection, key, std::move(now));
}

// What the controller manager puts into each namespace.
void ApiServer::makeNamespace(const std::string& name) {
  if (!store_.get("namespaces", name)) {
    load({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}});
    return;  // creating it comes back here
  }
  load({{"apiVersion", "v1"},
        {"kind", "ServiceAccount"},
        {"metadata", {{"name", "default"}, {"namespace", name}}}});
  load({{"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", "kube-root-ca.crt"}, {"namespace", name}}},
        {"data", {{"ca.crt", pki().caPem()}}}});
}

// A namespace that ends takes its content along, pods gracefully.
void ApiServer::finishNamespaces() {
  std::vector<std::string> ending;
  for (const auto& [name, object] : store_.all("namespaces")) {
    if (textAt(*object, "status.phase") == "Terminating") ending.push_back(name);
  }
  for (const auto& name : ending) {
    bool empty = true;
    for (const auto& type : resourceTypes()) {
      if (!type.namespaced || type.review || type.name.group == "events.k8s.io") continue;
      const Objects all = store_.all(type.collection());
      for (const auto& [key, object] : all) {
        if (textAt(*object, "metadata.namespace") != name) continue;
        if (find(*object, "metadata.deletionTimestamp") == nullptr)
          removeOf({}, {&type, name, textAt(*object, "metadata.name"), ""});
        empty &= store_.get(type.collection(), key) == nullptr;
      }
    }
    if (empty) store_.remove("namespaces", name);
  }
}

}  // namespace keelson::fakes
