#include "api/token_request.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

template <>
struct KindOf<TokenRequest> {
  static constexpr std::string_view kApiVersion = "authentication.k8s.io/v1";
  static constexpr std::string_view kKind = "TokenRequest";
};

template <>
struct Schema<BoundObjectReference> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("kind", c.kind);
    v("apiVersion", c.api_version);
    v("name", c.name);
    v("uid", c.uid);
  }
};

template <>
struct Schema<TokenRequestSpec> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("audiences", c.audiences);
    v("expirationSeconds", c.expiration_seconds);
    v("boundObjectRef", c.bound_object);
  }
};

template <>
struct Schema<TokenRequestStatus> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("token", c.token);
    v("expirationTimestamp", c.expiration);
  }
};

template <>
struct Schema<TokenRequest> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("spec", c.spec);
    v("status", c.status);
  }
};

KEELSON_API_INSTANTIATE(TokenRequest);

}  // namespace keelson::api
