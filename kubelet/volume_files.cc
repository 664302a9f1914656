#include "kubelet/volume_files.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kubelet/required_objects.h"

namespace keelson::kubelet {
namespace {

constexpr uint32_t kDefaultMode = 0644;
constexpr uint32_t kTokenMode = 0600;
// What an fsGroup adds to files of a read-only volume (SetVolumeOwnership of Kubernetes).
constexpr uint32_t kGroupMayRead = 0440;
constexpr int64_t kDefaultTokenSeconds = 3600;

uint32_t modeOr(const std::optional<int32_t>& mode, uint32_t fallback) {
  return mode ? static_cast<uint32_t>(*mode) & 0777 : fallback;
}

// One object as a source of files: its keys, and how its absence is named.
struct ObjectKeys {
  std::vector<const api::StringMap*> data;
  const char* missing_key;  // the words before the key
  bool optional = false;
};

// Collects the files of one volume; errors of several sources are all told.
class FileBuilder {
 public:
  FileBuilder(const VolumeInput& input, uint32_t default_mode) : in_(input), default_mode_(default_mode) {}

  void configMap(const std::string& name, const std::vector<api::KeyToPath>& items,
                 const std::optional<bool>& optional) {
    const auto found = needConfigMap(in_.objects, name, needOf(optional));
    if (!found) return fail(found.error());
    ObjectKeys keys{{}, "configmap references non-existent config key", optional.value_or(false)};
    if (*found) keys.data = {&(*found)->data, &(*found)->binary_data};
    addKeys(keys, items);
  }

  void secret(const std::string& name, const std::vector<api::KeyToPath>& items,
              const std::optional<bool>& optional) {
    const auto found = needSecret(in_.objects, name, needOf(optional));
    if (!found) return fail(found.error());
    ObjectKeys keys{{}, "references non-existent secret key", optional.value_or(false)};
    if (*found) keys.data = {&(*found)->data};
    addKeys(keys, items);
  }

  void downwardApi(const std::vector<api::DownwardApiFile>& items) {
    for (const auto& item : items) {
      auto text = downwardText(item);
      if (!text) {
        fail(text.error());
      } else {
        add(item.path, {std::move(*text), modeOr(item.mode, default_mode_), std::nullopt});
      }
    }
  }

  void token(const api::ServiceAccountTokenProjection& projection, const TokenKey& key) {
    if (!in_.objects.fromApi() && !in_.objects.hasApiServer()) {
      return fail(makeError(Code::kUnsupported,
                            "failed to fetch token: this node has no API server that could issue a service "
                            "account token"));
    }
    if (!in_.objects.fromApi()) {
      return fail(makeError(Code::kUnsupported,
                            "failed to fetch token: the API server issues service account tokens to its own "
                            "pods only, and this one is of the manifest folder"));
    }
    const auto found = in_.tokens.find(key);
    if (found == in_.tokens.end()) {
      return fail(makeError(Code::kUnavailable, "failed to fetch token: it was not asked for yet"));
    }
    if (!found->second) return fail(found->second.error());
    const auto user = commonUser(in_.pod);
    const bool is_private = user || in_.pod.spec.security_context.fs_group;
    add(projection.path, {(*found->second)->bytes, is_private ? kTokenMode : default_mode_, user});
  }

  void unsupported(const std::string& kind) {
    fail(makeError(Code::kUnsupported, "projected source {} is not served by this node", kind));
  }

  Result<VolumeFiles> take() {
    if (errors_.empty()) return std::move(files_);
    if (errors_.size() == 1) return errors_.front();
    // What will not come right by itself counts before what is only not known yet.
    const auto worst = std::find_if(errors_.begin(), errors_.end(),
                                    [](const Error& error) { return error.code != Code::kUnavailable; });
    std::vector<std::string> texts;
    for (const auto& error : errors_) {
      if (std::find(texts.begin(), texts.end(), error.text) == texts.end()) texts.push_back(error.text);
    }
    const Code code = worst == errors_.end() ? Code::kUnavailable : worst->code;
    if (texts.size() == 1) return makeError(code, "{}", texts.front());
    return makeError(code, "[{}]", fmt::join(texts, ", "));
  }

 private:
  void fail(Error error) { errors_.push_back(std::move(error)); }

  void add(const std::string& path, VolumeFile file) {
    if (auto valid = checkVolumePath(path); !valid) return fail(std::move(valid).error());
    bytes_ += file.bytes.size();
    if (bytes_ > kMaxVolumeBytes || files_.size() >= kMaxVolumeFiles) {
      if (!too_large_) {
        fail(makeError(Code::kResourceExhausted, "the volume holds more than {} bytes or {} files",
                       kMaxVolumeBytes, kMaxVolumeFiles));
      }
      too_large_ = true;
      return;
    }
    if (in_.pod.spec.security_context.fs_group) file.mode |= kGroupMayRead;
    files_.insert_or_assign(path, std::move(file));
  }

  void addKeys(const ObjectKeys& keys, const std::vector<api::KeyToPath>& items) {
    if (items.empty()) {
      for (const auto* data : keys.data) {
        for (const auto& [key, value] : *data) add(key, {value, default_mode_, std::nullopt});
      }
      return;
    }
    for (const auto& item : items) {
      const std::string* value = nullptr;
      for (const auto* data : keys.data) {
        const auto found = data->find(item.key);
        if (value == nullptr && found != data->end()) value = &found->second;
      }
      if (value != nullptr) {
        add(item.path, {*value, modeOr(item.mode, default_mode_), std::nullopt});
      } else if (!keys.optional) {
        fail(makeError(Code::kNotFound, "{}: {}", keys.missing_key, item.key));
      }
    }
  }

  Result<std::string> downwardText(const api::DownwardApiFile& item) const {
    if (item.field_ref) return downwardField(in_.pod, item.field_ref->field_path, in_.facts);
    if (item.resource_field_ref) {
      // The named container is looked up; without a name there is none to ask about.
      static const api::Container kNone;
      return downwardResource(in_.pod, kNone, *item.resource_field_ref, in_.facts);
    }
    return makeError(Code::kInvalidArgument, "{}: one of fieldRef and resourceFieldRef is required",
                     item.path);
  }

  const VolumeInput& in_;
  const uint32_t default_mode_;
  VolumeFiles files_;
  std::vector<Error> errors_;
  size_t bytes_ = 0;
  bool too_large_ = false;
};

TokenKey tokenKey(const api::Pod& pod, const api::ServiceAccountTokenProjection& projection) {
  const std::string& account = pod.spec.service_account_name;
  return {pod.metadata.namespace_, account.empty() ? "default" : account,
          pod.metadata.name,       PodUid(pod.metadata.uid),
          projection.audience,     projection.expiration_seconds.value_or(kDefaultTokenSeconds)};
}

}  // namespace

bool isObjectVolume(const api::Volume& volume) {
  return volume.config_map || volume.secret || volume.downward_api || volume.projected;
}

bool isKeptInMemory(const api::Volume& volume) { return volume.secret || volume.projected; }

std::string unservedProjection(const api::Volume& volume) {
  if (!volume.projected) return "";
  for (const auto& source : volume.projected->sources) {
    if (!source.unsupported_source.empty()) return source.unsupported_source;
  }
  return "";
}

std::vector<TokenKey> tokenKeys(const api::Pod& pod, const api::Volume& volume) {
  std::vector<TokenKey> keys;
  if (!volume.projected) return keys;
  for (const auto& source : volume.projected->sources) {
    if (source.service_account_token) keys.push_back(tokenKey(pod, *source.service_account_token));
  }
  return keys;
}

std::optional<int64_t> commonUser(const api::Pod& pod) {
  std::optional<int64_t> user;
  for (const auto* list : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const auto& container : *list) {
      std::optional<int64_t> own = pod.spec.security_context.run_as_user;
      if (container.security_context && container.security_context->run_as_user)
        own = container.security_context->run_as_user;
      if (!own || (user && *user != *own)) return std::nullopt;
      user = own;
    }
  }
  return user;
}

Result<VolumeFiles> buildVolumeFiles(const VolumeInput& input, const api::Volume& volume) {
  if (volume.config_map) {
    FileBuilder builder(input, modeOr(volume.config_map->default_mode, kDefaultMode));
    builder.configMap(volume.config_map->name, volume.config_map->items, volume.config_map->optional);
    return builder.take();
  }
  if (volume.secret) {
    FileBuilder builder(input, modeOr(volume.secret->default_mode, kDefaultMode));
    builder.secret(volume.secret->secret_name, volume.secret->items, volume.secret->optional);
    return builder.take();
  }
  if (volume.downward_api) {
    FileBuilder builder(input, modeOr(volume.downward_api->default_mode, kDefaultMode));
    builder.downwardApi(volume.downward_api->items);
    return builder.take();
  }
  if (!volume.projected) {
    return makeError(Code::kInvalidArgument, "volume {} is not made of objects", volume.name);
  }
  FileBuilder builder(input, modeOr(volume.projected->default_mode, kDefaultMode));
  for (const auto& source : volume.projected->sources) {
    if (source.config_map)
      builder.configMap(source.config_map->name, source.config_map->items, source.config_map->optional);
    if (source.secret) builder.secret(source.secret->name, source.secret->items, source.secret->optional);
    if (source.downward_api) builder.downwardApi(source.downward_api->items);
    if (source.service_account_token) {
      builder.token(*source.service_account_token, tokenKey(input.pod, *source.service_account_token));
    }
    if (!source.unsupported_source.empty()) builder.unsupported(source.unsupported_source);
  }
  return builder.take();
}

}  // namespace keelson::kubelet
