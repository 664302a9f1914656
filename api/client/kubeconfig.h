// kubeconfig files: which server, whom to trust, who we are.
// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace keelson::api::client {

struct ExecPlugin {
  std::string command, api_version;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
  bool provide_cluster_info = false;
};

// The current context of a kubeconfig, with relative file names made absolute. Inline data wins over files,
// as in client-go. Credentials are never logged.
struct Connection {
  std::string server;           // https://host:port[/prefix]
  std::string tls_server_name;  // "" is the host of `server`
  std::string proxy_url;
  bool insecure_skip_tls_verify = false;
  std::string ca_file, ca_data;                    // PEM
  std::string certificate_file, certificate_data;  // PEM
  std::string key_file, key_data;                  // PEM
  std::string token_file, token;  // files are read again when they change (at most a minute late)
  std::string username, password;
  std::optional<ExecPlugin> exec;
  std::string name_space;  // of the context
};

// Reads a kubeconfig. kNotFound if the file is absent; kInvalidArgument names file, field and what was
// expected.
Result<Connection> readKubeconfig(const std::string& path);
Result<Connection> parseKubeconfig(std::string_view text, const std::string& path);

// A kubeconfig of one cluster, user and context, as `kubeadm join` and the TLS bootstrap write it.
std::string renderKubeconfig(const Connection& connection);

}  // namespace keelson::api::client
