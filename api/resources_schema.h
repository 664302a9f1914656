// The fields of ResourceRequirements.
#pragma once

#include "api/resources.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<ResourceClaim> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("request", c.request);
  }
};

template <>
struct Schema<ResourceRequirements> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("limits", c.limits);
    v("requests", c.requests);
    v("claims", c.claims);
  }
};

}  // namespace keelson::api
