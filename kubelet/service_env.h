// Variables that tell a container of the services of its namespace.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/service.h"

namespace keelson::kubelet {

// For each service with a cluster IP: NAME_SERVICE_HOST, NAME_SERVICE_PORT, NAME_SERVICE_PORT_<PORTNAME> and
// the variables of Docker's links (NAME_PORT, NAME_PORT_80_TCP, ..._PROTO, ..._PORT, ..._ADDR). Names are
// upper case with '_' for '-'. Pure.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#accessing-the-service
std::map<std::string, std::string> serviceEnv(
    const std::vector<std::shared_ptr<const api::Service>>& services);

// Whether the service has an address to tell of: neither headless nor without any.
bool hasClusterIp(const api::Service& service);

}  // namespace keelson::kubelet
