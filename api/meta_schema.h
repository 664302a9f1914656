// The fields of ObjectMeta,
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
#pragma once

#include "api/object_meta.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<OwnerReference> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("apiVersion", c.api_version, kAlways);
    v("kind", c.kind, kAlways);
    v("name", c.name, kAlways);
    v("uid", c.uid, kAlways);
    v("controller", c.controller);
    v("blockOwnerDeletion", c.block_owner_deletion);
  }
};

template <>
struct Schema<ObjectMeta> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("generateName", c.generate_name);
    v("namespace", c.namespace_);
    v("uid", c.uid);
    v("resourceVersion", c.resource_version);
    v("generation", c.generation);
    v("creationTimestamp", c.creation_timestamp);
    v("deletionTimestamp", c.deletion_timestamp);
    v("deletionGracePeriodSeconds", c.deletion_grace_period_seconds);
    v("labels", c.labels);
    v("annotations", c.annotations);
    v("ownerReferences", c.owner_references);
    v("finalizers", c.finalizers);
    v.ignored({"selfLink", "managedFields"});
  }
};

}  // namespace keelson::api
