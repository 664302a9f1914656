#include <set>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr std::string_view kFileModeRange = "must be a number between 0 and 0777 (octal), both inclusive";
constexpr int64_t kMinTokenSeconds = 600;
constexpr int64_t kMaxTokenSeconds = int64_t{1} << 32;

void validateMode(std::optional<int32_t> mode, const FieldPath& path, FieldErrors& errors) {
  if (mode && (*mode < 0 || *mode > 0777)) errors.invalid(path, *mode, kFileModeRange);
}

// As descending, and not hidden behind the "..data" links of an atomic writer.
void validateFilePath(std::string_view value, const FieldPath& path, FieldErrors& errors) {
  if (value.empty()) return errors.required(path);
  validateDescendingPath(value, path, errors);
  if (value.starts_with("..") && !value.starts_with("../") && value != "..") {
    errors.invalid(path, value, "must not start with '..'");
  }
}

void validateItems(const std::vector<KeyToPath>& items, const FieldPath& path, FieldErrors& errors) {
  for (size_t i = 0; i < items.size(); ++i) {
    const FieldPath item = path.index(i);
    if (items[i].key.empty()) errors.required(item.child("key"));
    validateFilePath(items[i].path, item.child("path"), errors);
    validateMode(items[i].mode, item.child("mode"), errors);
  }
}

void validateDownwardFiles(const std::vector<DownwardApiFile>& files, const FieldPath& path,
                           FieldErrors& errors) {
  for (size_t i = 0; i < files.size(); ++i) {
    const DownwardApiFile& file = files[i];
    const FieldPath item = path.index(i);
    validateFilePath(file.path, item.child("path"), errors);
    if (file.field_ref) {
      validateFieldRef(
          *file.field_ref,
          {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"},
          item.child("fieldRef"), errors);
      if (file.resource_field_ref) {
        errors.invalid(item, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
      }
    } else if (file.resource_field_ref) {
      validateResourceFieldRef(*file.resource_field_ref, ContainerNameRule::kRequired,
                               item.child("resourceFieldRef"), errors);
    } else {
      errors.required(item, "one of fieldRef and resourceFieldRef is required");
    }
    validateMode(file.mode, item.child("mode"), errors);
  }
}

void validateHostPath(const HostPathVolume& volume, const FieldPath& path, FieldErrors& errors) {
  if (volume.path.empty()) return errors.required(path.child("path"));
  validateNoBacksteps(volume.path, path.child("path"), errors);
  errors.requireOneOf(
      path.child("type"), volume.type,
      {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"});
}

void validateToken(const ServiceAccountTokenProjection& token, const FieldPath& path, FieldErrors& errors) {
  const int64_t seconds = token.expiration_seconds.value_or(kMinTokenSeconds);
  if (seconds < kMinTokenSeconds) {
    errors.invalid(path.child("expirationSeconds"), seconds,
                   "may not specify a duration less than 10 minutes");
  }
  if (seconds > kMaxTokenSeconds) {
    errors.invalid(path.child("expirationSeconds"), seconds,
                   "may not specify a duration larger than 2^32 seconds");
  }
  validateFilePath(token.path, path.child("path"), errors);
}

// Collects where the files of a projected volume go, to refuse two at one path.
class ProjectedPaths {
 public:
  ProjectedPaths(const FieldPath& path, FieldErrors& errors) : path_(path), errors_(errors) {}
  template <class Items>
  void add(const Items& items) {
    for (const auto& item : items) add(item.path);
  }
  void add(const std::string& path) {
    if (!path.empty() && !seen_.insert(path).second)
      errors_.invalid(path_, path, "conflicting duplicate paths");
  }

 private:
  const FieldPath& path_;
  FieldErrors& errors_;
  std::set<std::string> seen_;
};

void validateProjected(const ProjectedVolume& volume, const FieldPath& path, FieldErrors& errors) {
  validateMode(volume.default_mode, path.child("defaultMode"), errors);
  ProjectedPaths paths(path, errors);
  for (size_t i = 0; i < volume.sources.size(); ++i) {
    const VolumeProjection& source = volume.sources[i];
    const FieldPath item = path.child("sources").index(i);
    int count = source.unsupported_source.empty() ? 0 : 1;
    const auto object = [&](const std::optional<ObjectProjection>& projection, std::string_view field) {
      if (!projection) return;
      ++count;
      if (projection->name.empty()) errors.required(item.child(field).child("name"));
      validateItems(projection->items, item.child(field).child("items"), errors);
      paths.add(projection->items);
    };
    object(source.secret, "secret");
    object(source.config_map, "configMap");
    if (source.downward_api) {
      ++count;
      validateDownwardFiles(source.downward_api->items, item.child("downwardAPI").child("items"), errors);
      paths.add(source.downward_api->items);
    }
    if (source.service_account_token) {
      ++count;
      validateToken(*source.service_account_token, item.child("serviceAccountToken"), errors);
      paths.add(source.service_account_token->path);
    }
    if (count > 1) errors.forbidden(item, "may not specify more than 1 volume type per source");
  }
}

void validateNfs(const NfsVolume& volume, const FieldPath& path, FieldErrors& errors) {
  if (volume.server.empty()) errors.required(path.child("server"));
  if (volume.path.empty()) {
    errors.required(path.child("path"));
  } else if (!volume.path.starts_with('/')) {
    errors.invalid(path.child("path"), volume.path, "must be an absolute path");
  }
}

void validateImageVolume(const ImageVolume& volume, const FieldPath& path, FieldErrors& errors) {
  if (volume.reference.empty()) errors.required(path.child("reference"));
  errors.requireOneOf(path.child("pullPolicy"), volume.pull_policy, {"Always", "IfNotPresent", "Never"});
}

void validateSource(const Volume& volume, const FieldPath& path, FieldErrors& errors) {
  int count = 0;
  // True for the first source; each further one is refused instead of being looked into.
  const auto isOnly = [&](bool present, std::string_view field) {
    if (!present) return false;
    if (++count == 1) return true;
    errors.forbidden(path.child(field), "may not specify more than 1 volume type");
    return false;
  };
  if (isOnly(volume.empty_dir.has_value(), "emptyDir") && volume.empty_dir->size_limit &&
      *volume.empty_dir->size_limit < Quantity()) {
    errors.forbidden(path.child("emptyDir").child("sizeLimit"),
                     "SizeLimit field must be a valid resource quantity");
  }
  if (isOnly(volume.host_path.has_value(), "hostPath")) {
    validateHostPath(*volume.host_path, path.child("hostPath"), errors);
  }
  if (isOnly(volume.secret.has_value(), "secret")) {
    const FieldPath source = path.child("secret");
    if (volume.secret->secret_name.empty()) errors.required(source.child("secretName"));
    validateMode(volume.secret->default_mode, source.child("defaultMode"), errors);
    validateItems(volume.secret->items, source.child("items"), errors);
  }
  if (isOnly(volume.nfs.has_value(), "nfs")) validateNfs(*volume.nfs, path.child("nfs"), errors);
  if (isOnly(volume.persistent_volume_claim.has_value(), "persistentVolumeClaim") &&
      volume.persistent_volume_claim->claim_name.empty()) {
    errors.required(path.child("persistentVolumeClaim").child("claimName"));
  }
  if (isOnly(volume.downward_api.has_value(), "downwardAPI")) {
    const FieldPath source = path.child("downwardAPI");
    validateMode(volume.downward_api->default_mode, source.child("defaultMode"), errors);
    validateDownwardFiles(volume.downward_api->items, source.child("items"), errors);
  }
  if (isOnly(volume.config_map.has_value(), "configMap")) {
    const FieldPath source = path.child("configMap");
    if (volume.config_map->name.empty()) errors.required(source.child("name"));
    validateMode(volume.config_map->default_mode, source.child("defaultMode"), errors);
    validateItems(volume.config_map->items, source.child("items"), errors);
  }
  if (isOnly(volume.projected.has_value(), "projected")) {
    validateProjected(*volume.projected, path.child("projected"), errors);
  }
  if (isOnly(volume.csi.has_value(), "csi") && volume.csi->driver.empty()) {
    errors.required(path.child("csi").child("driver"));
  }
  if (isOnly(volume.image.has_value(), "image"))
    validateImageVolume(*volume.image, path.child("image"), errors);
  isOnly(!volume.unsupported_source.empty(), volume.unsupported_source);
  if (count == 0) errors.required(path, "must specify a volume type");
}

}  // namespace

void validateNoBacksteps(std::string_view value, const FieldPath& path, FieldErrors& errors) {
  std::string_view rest = value;
  while (true) {
    const size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") return errors.invalid(path, value, "must not contain '..'");
    if (slash == std::string_view::npos) return;
    rest.remove_prefix(slash + 1);
  }
}

void validateDescendingPath(std::string_view value, const FieldPath& path, FieldErrors& errors) {
  if (value.starts_with('/')) errors.invalid(path, value, "must be a relative path");
  validateNoBacksteps(value, path, errors);
}

VolumesByName validateVolumes(const std::vector<Volume>& volumes, const FieldPath& path,
                              FieldErrors& errors) {
  VolumesByName by_name;
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Volume& volume = volumes[i];
    const FieldPath item = path.index(i);
    validateSource(volume, item, errors);
    if (volume.name.empty()) {
      errors.required(item.child("name"));
      continue;
    }
    errors.invalid(item.child("name"), volume.name, checkDnsLabel(volume.name));
    if (!by_name.emplace(volume.name, &volume).second) errors.duplicate(item.child("name"), volume.name);
  }
  return by_name;
}

}  // namespace keelson::api
