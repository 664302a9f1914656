#include "agent/flags.h"

#include <CLI/CLI.hpp>

namespace keelson::agent {

Result<std::map<std::string, std::string>> parseLabels(const std::string& text) {
  std::map<std::string, std::string> labels;
  for (size_t from = 0; from < text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    const std::string pair = text.substr(from, comma - from);
    from = comma + 1;
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return makeError(Code::kInvalidArgument, "expected key=value[,key=value...], got \"{}\"", pair);
    labels[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return labels;
}

std::variant<Flags, int> parseFlags(int argc, char** argv) {
  Flags flags;
  CLI::App app("keelson, the Kubernetes node agent");
  app.set_version_flag("--version", std::string("keelson ") + KEELSON_VERSION);
  app.add_option("--config", flags.config_file, "Configuration file (YAML)");
  app.add_flag("--standalone", flags.standalone,
               "Run the pods of the manifest folder, without a control plane");
  app.add_flag("--check-config", flags.check_config,
               "Check flags and configuration, say what is wrong, and end");
  app.add_option("--hostname-override", flags.node_name, "Name of this node (default: the host's name)");
  app.add_option("--node-ip", flags.node_ips, "Address of this node, or a v4,v6 pair")->delimiter(',');
  std::string labels;
  app.add_option("--node-labels", labels, "Labels of this node: key=value,...");
  app.add_option("--root-dir", flags.root_dir, "Where pods keep their files")->capture_default_str();
  app.add_option("--pod-manifest-path,--manifests", flags.static_pod_path,
                 "Folder of manifests (staticPodPath)");
  app.add_option("--pod-cidr", flags.pod_cidr, "Addresses for pods of this node (podCIDR)");
  app.add_option("--cgroup-root", flags.cgroup_root, "Cgroup below which pods live (cgroupRoot)");
  app.add_option("--cluster-dns", flags.cluster_dns, "DNS servers of the cluster (clusterDNS)")
      ->delimiter(',');
  app.add_option("--cluster-domain", flags.cluster_domain, "DNS domain of the cluster (clusterDomain)");
  app.add_option("--max-pods", flags.max_pods, "How many pods may run here (maxPods)");
  app.add_option("--run-dir", flags.run_dir, "Run folders of pods; lost at a reboot");
  app.add_option("--state-dir", flags.state_dir, "Images, layers, addresses");
  app.add_option("--socket", flags.socket, "Status socket of keelctl");
  app.add_option("--shim", flags.shim, "The keelson-shim binary");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  auto parsed = parseLabels(labels);
  if (!parsed) {
    fmt::print(stderr, "--node-labels: {}\n", parsed.error().text);
    return 1;
  }
  flags.node_labels = std::move(parsed).value();
  return flags;
}

}  // namespace keelson::agent
