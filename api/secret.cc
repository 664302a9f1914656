#include "api/secret.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

template <>
struct KindOf<Secret> {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Secret";
};

template <>
struct Schema<Secret> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("immutable", c.immutable);
    v.base64("data", c.data);
    v.overlay("stringData", c.data);
    v("type", c.type);
  }
};

KEELSON_API_INSTANTIATE(Secret);

}  // namespace keelson::api
