#include "api/runtime_class.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"
#include "api/pod_schema.h"

namespace keelson::api {

template <>
struct KindOf<RuntimeClass> {
  static constexpr std::string_view kApiVersion = "node.k8s.io/v1";
  static constexpr std::string_view kKind = "RuntimeClass";
};

template <>
struct Schema<RuntimeClass> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("handler", c.handler, kAlways);
    v.object("overhead", [&](V& overhead) { overhead("podFixed", c.pod_fixed_overhead); });
    v.object("scheduling", [&](V& scheduling) {
      scheduling("nodeSelector", c.node_selector);
      scheduling("tolerations", c.tolerations);
    });
  }
};

KEELSON_API_INSTANTIATE(RuntimeClass);

}  // namespace keelson::api
