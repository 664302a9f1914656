#include "api/config_map.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

template <>
struct KindOf<ConfigMap> {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "ConfigMap";
};

template <>
struct Schema<ConfigMap> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("immutable", c.immutable);
    v("data", c.data);
    v.base64("binaryData", c.binary_data);
  }
};

KEELSON_API_INSTANTIATE(ConfigMap);

}  // namespace keelson::api
