// Credentials from a program (client.authentication.k8s.io). What is said and understood, pure.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
#pragma once

#include <optional>
#include <string>

#include "api/client/command.h"
#include "api/client/kubeconfig.h"

namespace keelson::api::client {

// What a plugin answered. A plain value.
struct ExecCredential {
  std::string token, certificate, key;  // PEM
  std::optional<WallTime> expires;
};

// The call of connection.exec, with KUBERNETES_EXEC_INFO.
Command buildExecCommand(const Connection& connection, const std::string& ca_data);

// kInvalidArgument if the answer is not an ExecCredential of `api_version` with a token or a certificate.
Result<ExecCredential> parseExecCredential(std::string_view output, const std::string& api_version);

}  // namespace keelson::api::client
