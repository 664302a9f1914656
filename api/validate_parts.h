// The parts of validation, one file per noun (validate_<noun>.cc). Only those include this.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/config_map.h"
#include "api/field_errors.h"
#include "api/names.h"
#include "api/pod.h"

namespace keelson::api {

inline constexpr std::string_view kMustNotBeNegative = "must be greater than or equal to 0";

using NameCheck = NameErrors (*)(std::string_view value);
using VolumesByName = std::map<std::string, const Volume*, std::less<>>;

enum class Scope { kNamespaced, kCluster };

// validate_meta.cc
void validateMeta(const ObjectMeta& meta, Scope scope, NameCheck check_name, FieldErrors& errors);
void validateLabels(const StringMap& labels, const FieldPath& path, FieldErrors& errors);

// validate_volume.cc. Every named volume is in the result, so that its mounts raise no second finding.
VolumesByName validateVolumes(const std::vector<Volume>& volumes, const FieldPath& path, FieldErrors& errors);
// Relative and without "..": subPath, localhostProfile.
void validateDescendingPath(std::string_view value, const FieldPath& path, FieldErrors& errors);
void validateNoBacksteps(std::string_view value, const FieldPath& path, FieldErrors& errors);

// validate_env.cc
void validateEnv(const Container& container, const FieldPath& path, FieldErrors& errors);
void validateFieldRef(const ObjectFieldSelector& ref, std::initializer_list<std::string_view> supported,
                      const FieldPath& path, FieldErrors& errors);
enum class ContainerNameRule { kOptional, kRequired };
void validateResourceFieldRef(const ResourceFieldSelector& ref, ContainerNameRule rule, const FieldPath& path,
                              FieldErrors& errors);

// validate_probe.cc: probes and lifecycle hooks of a container that may have them.
void validateProbes(const Container& container, const PodSpec& spec, const FieldPath& path,
                    FieldErrors& errors);

// validate_resources.cc
void validateResources(const ResourceRequirements& resources, const FieldPath& path, FieldErrors& errors);
void validatePodResources(const PodSpec& spec, const FieldPath& path, FieldErrors& errors);

// validate_security.cc
void validateSecurityContext(const SecurityContext& context, const PodSpec& spec, const FieldPath& path,
                             FieldErrors& errors);
void validatePodSecurityContext(const PodSpec& spec, const FieldPath& spec_path, FieldErrors& errors);

// validate_container.cc: all three lists of containers.
void validateContainers(const PodSpec& spec, const VolumesByName& volumes, const FieldPath& spec_path,
                        FieldErrors& errors);

}  // namespace keelson::api
