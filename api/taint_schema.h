// The fields of Taint, which stands in Node and in KubeletConfiguration.
#pragma once

#include "api/node.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<Taint> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("key", c.key, kAlways);
    v("value", c.value);
    v("effect", c.effect, kAlways);
    v("timeAdded", c.time_added);
  }
};

}  // namespace keelson::api
