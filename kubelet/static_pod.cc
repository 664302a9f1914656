#include "kubelet/static_pod.h"

#include <algorithm>
#include <cctype>

#include "api/codec.h"
#include "api/defaults.h"
#include "api/validate.h"
#include "kubelet/pod_directory.h"

namespace keelson::kubelet {
namespace {

std::string lowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Result<StaticPod> readPod(const api::Pod& decoded, const std::string& node_name, const std::string& file,
                          WallTime now) {
  StaticPod made;
  made.uid_given = !decoded.metadata.uid.empty();
  if (made.uid_given && !isSafeUid(decoded.metadata.uid)) {
    return makeError(Code::kInvalidArgument,
                     "metadata.uid: Invalid value: \"{}\": must be letters, digits, '-', '_' "
                     "or '.', at most 64",
                     decoded.metadata.uid);
  }
  if (!decoded.spec.ephemeral_containers.empty()) {
    return makeError(Code::kInvalidArgument, "spec.ephemeralContainers: Forbidden: cannot be set on create");
  }
  if (decoded.metadata.name.empty()) {
    return makeError(Code::kInvalidArgument,
                     "metadata.name: Required value: name or generateName is required");
  }
  api::Pod pod = api::defaultPod(makeStaticPod(decoded, node_name, file, now));
  TRY(api::validatePod(pod));
  made.pod = std::make_shared<const api::Pod>(std::move(pod));
  return made;
}

// Gives objects beside pods what the API server would, as far as this node uses them.
api::Object complete(api::Object object) {
  if (auto* service = std::get_if<api::Service>(&object)) return api::defaultService(std::move(*service));
  const auto inDefault = [](api::ObjectMeta& metadata) {
    if (metadata.namespace_.empty()) metadata.namespace_ = "default";
  };
  if (auto* config_map = std::get_if<api::ConfigMap>(&object)) inDefault(config_map->metadata);
  if (auto* secret = std::get_if<api::Secret>(&object)) inDefault(secret->metadata);
  return object;
}

}  // namespace

std::string fnv128a(std::string_view text) {
  constexpr auto wide = [](uint64_t high, uint64_t low) {
    return (static_cast<unsigned __int128>(high) << 64) | low;
  };
  constexpr unsigned __int128 kPrime = wide(0x0000000001000000, 0x000000000000013b);
  unsigned __int128 hash = wide(0x6c62272e07bb0142, 0x62b821756295c58d);
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= kPrime;
  }
  return fmt::format("{:016x}{:016x}", static_cast<uint64_t>(hash >> 64), static_cast<uint64_t>(hash));
}

api::Pod makeStaticPod(api::Pod pod, const std::string& node_name, const std::string& file, WallTime now) {
  pod.status = {};
  if (pod.metadata.uid.empty()) {
    const std::string object = json::serialize(api::encode(pod));
    pod.metadata.uid = fnv128a(object + "host:" + node_name + "file:" + file);
  }
  pod.metadata.name += "-" + lowerCase(node_name);
  if (pod.metadata.namespace_.empty()) pod.metadata.namespace_ = "default";
  pod.metadata.creation_timestamp = now;
  pod.metadata.annotations[kConfigSource] = "file";
  pod.metadata.annotations[kConfigHash] = pod.metadata.uid;
  pod.metadata.annotations[kConfigSeen] = formatTimeNano(now);
  pod.spec.node_name = node_name;
  api::Toleration toleration;
  toleration.operator_ = "Exists";
  toleration.effect = "NoExecute";
  if (std::find(pod.spec.tolerations.begin(), pod.spec.tolerations.end(), toleration) ==
      pod.spec.tolerations.end()) {
    pod.spec.tolerations.push_back(toleration);
  }
  return pod;
}

Result<ManifestContent> readManifest(std::string_view text, const std::string& node_name,
                                     const std::string& file, WallTime now) {
  api::Manifest manifest = TRY(api::decodeManifest(text));
  if (manifest.objects.empty()) return makeError(Code::kInvalidArgument, "the file holds no object");
  ManifestContent content;
  content.warnings = std::move(manifest.warnings);
  for (auto& object : manifest.objects) {
    const std::string title = api::objectTitle(object);
    if (const auto* pod = std::get_if<api::Pod>(&object)) {
      content.pods.push_back(TRY_CTX(readPod(*pod, node_name, file, now), "{}", title));
      continue;
    }
    if (std::holds_alternative<api::UnknownObject>(object)) {
      content.warnings.push_back(title + ": nothing on this node acts on this kind");
    }
    api::Object other = complete(std::move(object));
    TRY_CTX(api::validateObject(other), "{}", title);
    content.others.push_back(std::move(other));
  }
  return content;
}

}  // namespace keelson::kubelet
