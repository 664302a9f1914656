// The fields of Volume and its sources.
#pragma once

#include "api/container_schema.h"
#include "api/pod.h"
#include "api/schema.h"

namespace keelson::api {

template <>
struct Schema<KeyToPath> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("key", c.key, kAlways);
    v("path", c.path, kAlways);
    v("mode", c.mode);
  }
};

template <>
struct Schema<EmptyDirVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("medium", c.medium);
    v("sizeLimit", c.size_limit);
  }
};

template <>
struct Schema<HostPathVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("path", c.path, kAlways);
    v("type", c.type, kAlways);
  }
};

template <>
struct Schema<ConfigMapVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("items", c.items);
    v("defaultMode", c.default_mode);
    v("optional", c.optional);
  }
};

template <>
struct Schema<SecretVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("secretName", c.secret_name);
    v("items", c.items);
    v("defaultMode", c.default_mode);
    v("optional", c.optional);
  }
};

template <>
struct Schema<DownwardApiFile> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("path", c.path, kAlways);
    v("fieldRef", c.field_ref);
    v("resourceFieldRef", c.resource_field_ref);
    v("mode", c.mode);
  }
};

template <>
struct Schema<DownwardApiVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("items", c.items);
    v("defaultMode", c.default_mode);
  }
};

template <>
struct Schema<ServiceAccountTokenProjection> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("audience", c.audience);
    v("expirationSeconds", c.expiration_seconds);
    v("path", c.path, kAlways);
  }
};

template <>
struct Schema<ObjectProjection> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name);
    v("items", c.items);
    v("optional", c.optional);
  }
};

template <>
struct Schema<VolumeProjection> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("secret", c.secret);
    v("downwardAPI", c.downward_api);
    v("configMap", c.config_map);
    v("serviceAccountToken", c.service_account_token);
    v.oneOf({"clusterTrustBundle", "podCertificate"}, c.unsupported_source);
  }
};

template <>
struct Schema<ProjectedVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("sources", c.sources, kAlways);
    v("defaultMode", c.default_mode);
  }
};

template <>
struct Schema<NfsVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("server", c.server, kAlways);
    v("path", c.path, kAlways);
    v("readOnly", c.read_only);
  }
};

template <>
struct Schema<ImageVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("reference", c.reference);
    v("pullPolicy", c.pull_policy);
  }
};

template <>
struct Schema<PersistentVolumeClaimVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("claimName", c.claim_name, kAlways);
    v("readOnly", c.read_only);
  }
};

template <>
struct Schema<CsiVolume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("driver", c.driver, kAlways);
    v("readOnly", c.read_only);
    v("fsType", c.fs_type);
    v("volumeAttributes", c.volume_attributes);
    v.wrapped("nodePublishSecretRef", c.node_publish_secret, "name");
  }
};

template <>
struct Schema<Volume> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("name", c.name, kAlways);
    v("hostPath", c.host_path);
    v("emptyDir", c.empty_dir);
    v("secret", c.secret);
    v("nfs", c.nfs);
    v("persistentVolumeClaim", c.persistent_volume_claim);
    v("downwardAPI", c.downward_api);
    v("configMap", c.config_map);
    v("projected", c.projected);
    v("csi", c.csi);
    v("image", c.image);
    v.oneOf({"gcePersistentDisk",
             "awsElasticBlockStore",
             "gitRepo",
             "iscsi",
             "glusterfs",
             "rbd",
             "flexVolume",
             "cinder",
             "cephfs",
             "flocker",
             "fc",
             "azureFile",
             "vsphereVolume",
             "quobyte",
             "azureDisk",
             "photonPersistentDisk",
             "portworxVolume",
             "scaleIO",
             "storageos",
             "ephemeral"},
            c.unsupported_source);
  }
};

}  // namespace keelson::api
