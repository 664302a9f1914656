#include "kubelet/required_objects.h"

namespace keelson::kubelet {
namespace {

template <class T>
Result<std::shared_ptr<const T>> need(Known<T> known, const char* kind, const std::string& name,
                                      Need how_much) {
  switch (known.knowledge) {
    case Knowledge::kPresent:
      return std::move(known.object);
    case Knowledge::kUnknown:
      return makeError(Code::kUnavailable, "failed to sync {} cache: timed out waiting for the condition",
                       kind);
    case Knowledge::kAbsent:
      break;
  }
  if (how_much == Need::kOptional) return std::shared_ptr<const T>();
  return makeError(Code::kNotFound, "{} \"{}\" not found", kind, name);
}

}  // namespace

Result<std::shared_ptr<const api::ConfigMap>> needConfigMap(const PodObjects& objects,
                                                            const std::string& name, Need how_much) {
  return need(objects.configMap(name), "configmap", name, how_much);
}

Result<std::shared_ptr<const api::Secret>> needSecret(const PodObjects& objects, const std::string& name,
                                                      Need how_much) {
  return need(objects.secret(name), "secret", name, how_much);
}

}  // namespace keelson::kubelet
