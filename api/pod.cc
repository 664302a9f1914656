#include "api/pod.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"
#include "api/pod_schema.h"
#include "api/pod_status_schema.h"

namespace keelson::api {

template <>
struct KindOf<Pod> {
  static constexpr std::string_view kApiVersion = "v1";
  static constexpr std::string_view kKind = "Pod";
};

template <>
struct Schema<Pod> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("spec", c.spec);
    v("status", c.status);
  }
};

KEELSON_API_INSTANTIATE(Pod);
KEELSON_API_INSTANTIATE(PodSpec);
KEELSON_API_INSTANTIATE(PodStatus);

std::string podFullName(const Pod& pod) { return pod.metadata.namespace_ + "/" + pod.metadata.name; }

}  // namespace keelson::api
