// What the API server does to pods: defaults, admission, immutability, status, graceful deletion. Pure.
#pragma once

#include <optional>
#include <string>

#include "api/pod.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/fakes/api_server/answer.h"
#include "tests/fakes/api_server/resources.h"

namespace keelson::fakes {

// The pod as a struct; 400 if it is none.
Outcome<api::Pod> decodedPod(const json::object& pod);
// A pod as it is created: defaulted, validated, status Pending with its QoS class, generation 1.
Outcome<json::object> newPod(json::object pod, const ResourceType& type, WallTime now);
// The ServiceAccount admission: the account's name, and the kube-api-access volume named by `suffix` unless
// the pod or `account` says no. Mirror pods stay as they are.
void admitServiceAccount(json::object& pod, const json::object& account, const std::string& suffix);
// The DefaultTolerationSeconds and Priority admissions.
void admitTolerations(json::object& pod);

// Checks a change of the main resource, the status, ephemeralcontainers, resize; sets generation.
Outcome<json::object> updatedPod(const json::object& was, json::object now, const ResourceType& type,
                                 std::string_view subresource);
// The pod bound to a node, as POST binding leaves it; 409 if it has one.
Outcome<json::object> boundPod(json::object pod, const std::string& node, WallTime now,
                               const ResourceType& type);

bool isMirrorPod(const json::object& pod);
std::string podQosClass(const json::object& pod);
// The grace of a deletion in seconds, as podStrategy.CheckGracefulDelete.
int64_t deletionGrace(const json::object& pod, std::optional<int64_t> asked);

}  // namespace keelson::fakes
