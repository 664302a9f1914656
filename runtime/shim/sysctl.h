// Which sysctls a pod may have, and where they are.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/plan.h"

namespace keelson::runtime::shim {

// The file of sysctl `name` below /proc, "sys/net/ipv4/ip_forward". Names use dots, or slashes: whichever
// comes first separates, the other one stands for a dot in an interface's name (sysctl.d(5)).
// kInvalidArgument for one that is not of a namespace of the pod's own: it would be the host's.
// https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
Result<std::string> sysctlFile(const std::string& name, const NamespacesPlan& namespaces);

}  // namespace keelson::runtime::shim
