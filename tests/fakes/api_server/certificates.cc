// Certificate requests: who asks, who decides, the approver and the signer of kube-controller-manager.
#include "api/base64.h"
#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {
namespace {

constexpr int64_t kSignedLife = int64_t{365} * 24 * 3600;  // --cluster-signing-duration
constexpr char kClientSigner[] = "kubernetes.io/kube-apiserver-client-kubelet";

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

bool hasCondition(const json::object& object, std::string_view type) {
  const auto* conditions = find(object, "status.conditions");
  if (conditions == nullptr || !conditions->is_array()) return false;
  for (const auto& condition : conditions->get_array()) {
    if (condition.is_object() && textAt(condition.get_object(), "type") == type) return true;
  }
  return false;
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
    // Serving certificates are for somebody else to approve:
    // pkg/controller/certificates/approver/sarapprove.go
    if (!settings_.approve_requests || textAt(now, "spec.signerName") != kClientSigner) return;
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
  const auto life = std::chrono::seconds(numberAt(now, "spec.expirationSeconds", kSignedLife));
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

}  // namespace keelson::fakes
