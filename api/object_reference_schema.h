// Fields of ObjectReference, for the kinds that hold one.
#pragma once

#include "api/object_reference.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<ObjectReference> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("kind", c.kind);
    v("namespace", c.namespace_);
    v("name", c.name);
    v("uid", c.uid);
    v("apiVersion", c.api_version);
    v("resourceVersion", c.resource_version);
    v("fieldPath", c.field_path);
  }
};

}  // namespace keelson::api
