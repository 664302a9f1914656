#include "api/lease.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"

namespace keelson::api {

template <>
struct Schema<LeaseSpec> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("holderIdentity", c.holder_identity);
    v("leaseDurationSeconds", c.lease_duration_seconds);
    v("acquireTime", c.acquire_time);
    v("renewTime", c.renew_time);
    v("leaseTransitions", c.lease_transitions);
    v("strategy", c.strategy);
    v("preferredHolder", c.preferred_holder);
  }
};

template <>
struct KindOf<Lease> {
  static constexpr std::string_view kApiVersion = "coordination.k8s.io/v1";
  static constexpr std::string_view kKind = "Lease";
};

template <>
struct Schema<Lease> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("spec", c.spec);
  }
};

KEELSON_API_INSTANTIATE(Lease);

}  // namespace keelson::api
