#include "api/validate_parts.h"

namespace keelson::api {
namespace {

constexpr size_t kMaxAnnotationBytes = 256 * 1024;  // all keys and values of an object

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void validateAnnotations(const StringMap& annotations, const FieldPath& path, FieldErrors& errors) {
  size_t bytes = 0;
  for (const auto& [key, value] : annotations) {
    // Upper case is let through here, as the API server does.
    errors.invalid(path, key, checkQualifiedName(lower(key)));
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxAnnotationBytes) errors.tooLong(path, kMaxAnnotationBytes);
}

}  // namespace

void validateLabels(const StringMap& labels, const FieldPath& path, FieldErrors& errors) {
  for (const auto& [key, value] : labels) {
    errors.invalid(path, key, checkQualifiedName(key));
    errors.invalid(path.key(key), value, checkLabelValue(value));
  }
}

void validateMeta(const ObjectMeta& meta, Scope scope, NameCheck check_name, FieldErrors& errors) {
  const FieldPath path("metadata");
  if (!meta.generate_name.empty()) {
    std::string prefix = meta.generate_name;
    if (prefix.size() > 1 && prefix.back() == '-') prefix.back() = 'a';
    errors.invalid(path.child("generateName"), meta.generate_name, check_name(prefix));
  }
  if (meta.name.empty()) {
    errors.required(path.child("name"), "name or generateName is required");
  } else {
    errors.invalid(path.child("name"), meta.name, check_name(meta.name));
  }
  if (scope == Scope::kCluster) {
    if (!meta.namespace_.empty()) errors.forbidden(path.child("namespace"), "not allowed on this type");
  } else if (meta.namespace_.empty()) {
    errors.required(path.child("namespace"));
  } else {
    errors.invalid(path.child("namespace"), meta.namespace_, checkDnsLabel(meta.namespace_));
  }
  if (meta.generation < 0) errors.invalid(path.child("generation"), meta.generation, kMustNotBeNegative);
  validateLabels(meta.labels, path.child("labels"), errors);
  validateAnnotations(meta.annotations, path.child("annotations"), errors);
}

}  // namespace keelson::api
