#include "api/certificate_signing_request.h"

#include "api/base64.h"
#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

void decodeValue(const json::value& in, Base64Bytes& out, const Step* at, DecodeReport& report) {
  std::string text;
  decodeValue(in, text, at, report);
  if (auto bytes = decodeBase64(text))
    out.bytes = std::move(*bytes);
  else
    report.wrong(at, "expected base64");
}

json::value encodeValue(const Base64Bytes& in) { return json::string(encodeBase64(in.bytes)); }
bool isOmittable(const Base64Bytes& in) { return in.bytes.empty(); }

template <>
struct Schema<CertificateSigningRequestCondition> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("type", c.type, kAlways);
    v("status", c.status, kAlways);
    v("reason", c.reason);
    v("message", c.message);
    v.ignored({"lastUpdateTime", "lastTransitionTime"});
  }
};

template <>
struct KindOf<CertificateSigningRequest> {
  static constexpr std::string_view kApiVersion = "certificates.k8s.io/v1";
  static constexpr std::string_view kKind = "CertificateSigningRequest";
};

template <>
struct Schema<CertificateSigningRequest> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v.object("spec", [&](V& spec) {
      spec("request", c.request, kAlways);
      spec("signerName", c.signer_name, kAlways);
      spec("usages", c.usages);
      spec("expirationSeconds", c.expiration_seconds);
      spec.ignored({"username", "uid", "groups", "extra"});
    });
    v.object("status", [&](V& status) {
      status("conditions", c.conditions);
      status("certificate", c.certificate);
    });
  }
};

KEELSON_API_INSTANTIATE(CertificateSigningRequest);

}  // namespace keelson::api
