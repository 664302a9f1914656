// What a node may ask: its RBAC role, the Node authorizer and the NodeRestriction admission of upstream.
#pragma once

#include <optional>
#include <string>

#include "tests/fakes/api_server/answer.h"
#include "tests/fakes/api_server/object_store.h"
#include "tests/fakes/api_server/resources.h"

namespace keelson::fakes {

struct ServerCall;

// The 403 for a request of a member of system:nodes or system:bootstrappers; nothing if it is allowed. Others
// may do all. `proxier`: the cluster has bound the role system:node-proxier to system:nodes, which a node
// agent with a service proxy of its own needs (services, endpointslices and nodes to list and watch). Pure.
// bootstrappolicy/policy.go, auth/authorizer/node/node_authorizer.go, admission/noderestriction/admission.go
std::optional<Answer> nodeRefusal(const ObjectStore& store, const ServerCall& call, const ResourcePath& path,
                                  bool proxier);
// The 403 for somebody whom the stand-in knows no role of: neither administrator, node, bootstrap token nor
// service account. Anonymous is one of them. Reads no body. Pure.
std::optional<Answer> strangerRefusal(const ServerCall& call);

}  // namespace keelson::fakes
