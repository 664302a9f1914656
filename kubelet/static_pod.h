// From the text of a manifest file to the pods that this node shall run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "api/pod.h"
#include "base/result.h"

namespace keelson::kubelet {

struct StaticPod {
  api::PodPtr pod;
  bool uid_given = false;  // metadata.uid was in the manifest
};

struct ManifestContent {
  std::vector<StaticPod> pods;
  std::vector<api::Object> others;  // defaulted and validated
  std::vector<std::string> warnings;
};

// Decodes, completes and checks all objects of one file; all or nothing. Pure: the same text, node, file and
// time give the same pods. Errors name the object: "Pod default/web: spec.containers: Required value".
Result<ManifestContent> readManifest(std::string_view text, const std::string& node_name,
                                     const std::string& file, WallTime now);

// A pod of a manifest as the kubelet runs it: uid, "-<node>" suffix, namespace, node name, annotations,
// toleration of NoExecute. The uid is a hash over the object, the node and the file, so that a changed file
// is another pod. Pure.
api::Pod makeStaticPod(api::Pod pod, const std::string& node_name, const std::string& file, WallTime now);

// FNV-1a with 128 bits, as lower-case hex. http://www.isthe.com/chongo/tech/comp/fnv/
std::string fnv128a(std::string_view text);

inline constexpr char kConfigSource[] = "kubernetes.io/config.source";
inline constexpr char kConfigHash[] = "kubernetes.io/config.hash";
inline constexpr char kConfigSeen[] = "kubernetes.io/config.seen";
// On a mirror pod: the kConfigHash of its static pod.
inline constexpr char kConfigMirror[] = "kubernetes.io/config.mirror";

}  // namespace keelson::kubelet
