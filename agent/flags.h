// The daemon's command line: kubelet's flags, and a few of its own.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::agent {

// A parsed command line. What stands for a field of a configuration document is kept as that document's JSON
// (agent/config lays it over the files); the rest has members. A plain value.
struct Flags {
  std::string config_file, config_dir, keelson_config_file;
  std::string kubeconfig, bootstrap_kubeconfig;
  std::string cert_dir = "/var/lib/kubelet/pki";
  bool standalone = false;
  bool follow_kubeadm = false;
  bool check_config = false;
  std::string node_name;                           // --hostname-override
  std::vector<std::string> node_ips;               // --node-ip
  std::map<std::string, std::string> node_labels;  // --node-labels
  std::string root_dir = "/var/lib/kubelet";
  std::string cloud_provider;  // "external": the node starts with the taint that a cloud controller removes
  json::object kubelet;        // fields of KubeletConfiguration
  json::object keelson;        // fields of KeelsonConfiguration
  std::vector<std::string> without_effect;  // accepted flags that cannot act here, by name

  // No control plane: pods come from the manifest folder alone.
  bool isStandalone() const { return standalone || (kubeconfig.empty() && bootstrap_kubeconfig.empty()); }
};

// The words after the program's name, in the syntax of Go's pflag: --name=value, --name value, --name for a
// boolean, -v 2; the last one given wins, lists grow. kInvalidArgument names the flag. `--help` and
// `--version` are text to print.
struct FlagsOutput {
  std::string text;
};
Result<std::variant<Flags, FlagsOutput>> parseFlags(const std::vector<std::string>& words,
                                                    const std::string& program = "keelson");

// With --follow-kubeadm: kubeadm's kubeconfigs and configuration when `exists` says that it has joined this
// node, else standalone with /etc/keelson/config.yaml; what was given explicitly stays.
Flags followKubeadm(Flags flags, const std::function<bool(const std::string& path)>& exists);

// "a=b,c=d" as kubelet's --node-labels takes it.
Result<std::map<std::string, std::string>> parseLabels(const std::string& text);

}  // namespace keelson::agent
