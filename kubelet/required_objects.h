// Objects that a container or volume needs, or the words for their absence.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "kubelet/object_store.h"

namespace keelson::kubelet {

enum class Need { kRequired, kOptional };

inline Need needOf(const std::optional<bool>& optional) {
  return optional.value_or(false) ? Need::kOptional : Need::kRequired;
}

// The object; nullptr if it is optional and confirmed to be absent. kNotFound (`configmap "x" not found`) if
// it is absent; kUnavailable while nothing is known of it. Pure.
Result<std::shared_ptr<const api::ConfigMap>> needConfigMap(const PodObjects& objects,
                                                            const std::string& name, Need need);
Result<std::shared_ptr<const api::Secret>> needSecret(const PodObjects& objects, const std::string& name,
                                                      Need need);

}  // namespace keelson::kubelet
