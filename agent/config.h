// Configuration: one YAML file of up to three documents, drop-ins laid over it, and flags over both.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/flags.h"
#include "agent/keelson_configuration.h"
#include "agent/kube_proxy_configuration.h"
#include "agent/kubelet_configuration.h"
#include "base/json.h"
#include "base/result.h"

namespace keelson::agent {

struct Config {
  KubeletConfiguration kubelet;
  KubeProxyConfiguration kube_proxy;
  KeelsonConfiguration keelson;
  // Unknown fields, as upstream's lenient decoding tells them; fields and flags without effect here.
  std::vector<std::string> warnings;
};

// Configuration before it is decoded for use: drop-ins and flags are laid over it in this form.
struct ConfigDocuments {
  json::object kubelet, kube_proxy, keelson;
  std::vector<std::string> warnings;
};

// Reads the documents of `text`; `name` is the file's, for messages. Each is decoded once to find what is
// wrong while file and line are known. An unknown field is a warning in KubeletConfiguration and
// KubeProxyConfiguration, as upstream, and an error in KeelsonConfiguration. A wrong type, an unknown kind, a
// kind given twice and an empty file are kInvalidArgument.
Result<ConfigDocuments> parseConfigDocuments(std::string_view text, const std::string& name);

// Lays a drop-in over `documents` by JSON merge patch (RFC 7386), as kubelet's --config-dir. It must carry
// apiVersion and kind.
Result<void> mergeDropIn(ConfigDocuments& documents, std::string_view text, const std::string& name);

// Flags win over files; feature gates of both are united. Then decoded, with the defaults of this program
// (podCIDR, staticPodPath without a control plane, socket) filled in, and cross-checked: "invalid
// configuration: <field> ..." with every finding.
Result<Config> makeConfig(ConfigDocuments documents, const Flags& flags);

// As makeConfig without the checks' refusal: what validation says is told apart.
Result<Config> decodeConfig(ConfigDocuments documents, const Flags& flags);
Result<void> validateConfig(const Config& config);

// Reads --config, the KeelsonConfiguration of --keelson-config, and the *.conf files below --config-dir in
// the order of their paths; blocks.
Result<Config> loadConfig(const Flags& flags);

}  // namespace keelson::agent
