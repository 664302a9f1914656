// What the files of configMap, secret, downwardAPI and projected volumes are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/result.h"
#include "kubelet/atomic_writer.h"
#include "kubelet/downward_api.h"
#include "kubelet/object_store.h"
#include "kubelet/token_source.h"

namespace keelson::kubelet {

// Whether the volume's content is made of API objects and facts, by this node.
bool isObjectVolume(const api::Volume& volume);
// Whether it must not reach a disk: secrets, and whatever a projected volume may hold.
bool isKeptInMemory(const api::Volume& volume);

// The source that this node does not serve ("clusterTrustBundle"), "" if none. Pure.
std::string unservedProjection(const api::Volume& volume);

using Tokens = std::map<TokenKey, Result<TokenPtr>>;
// The tokens that a volume projects. Pure.
std::vector<TokenKey> tokenKeys(const api::Pod& pod, const api::Volume& volume);

struct VolumeInput {
  const api::Pod& pod;
  const PodObjects& objects;
  const Tokens& tokens;  // an answer for each of tokenKeys()
  const DownwardFacts& facts;
};

// The files with the modes that the volume asks for; with an fsGroup its members may read them, and tokens
// are for nobody else. Errors are those of the FailedMount event: kNotFound, kInvalidArgument; kUnavailable
// while something is not known yet; kResourceExhausted beyond kMaxVolumeBytes or kMaxVolumeFiles; several are
// joined as "[a, b]". Pure.
Result<VolumeFiles> buildVolumeFiles(const VolumeInput& input, const api::Volume& volume);

inline constexpr size_t kMaxVolumeBytes = size_t{32} << 20;
inline constexpr size_t kMaxVolumeFiles = 16'384;

// The user all containers run as, by the pod's word; nullopt if they differ or one does not say. Pure.
std::optional<int64_t> commonUser(const api::Pod& pod);

}  // namespace keelson::kubelet
