#include "agent/flags.h"

#include <gtest/gtest.h>

#include "agent/config.h"
#include "agent/flag_table.h"

namespace keelson::agent {
namespace {

Flags flagsOf(const std::vector<std::string>& words) {
  auto parsed = parseFlags(words);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return parsed ? std::get<Flags>(*parsed) : Flags{};
}

std::string textOf(const std::vector<std::string>& words, const std::string& program) {
  auto parsed = parseFlags(words, program);
  return parsed && std::holds_alternative<FlagsOutput>(*parsed) ? std::get<FlagsOutput>(*parsed).text : "";
}

TEST(Flags, AcceptWhatKubeadmAndItsDropInPass) {
  const Flags flags =
      flagsOf({"--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
               "--kubeconfig=/etc/kubernetes/kubelet.conf", "--config=/var/lib/kubelet/config.yaml",
               "--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock",
               "--pod-infra-container-image=registry.k8s.io/pause:3.10", "--node-ip=10.0.0.5",
               "--hostname-override=node1", "--cloud-provider=external",
               "--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule,a:NoExecute",
               "--node-labels=a=b,c=d", "--node-ip=10.0.0.6,fd00::6", "-v", "4"});
  EXPECT_EQ(flags.kubeconfig, "/etc/kubernetes/kubelet.conf");
  EXPECT_EQ(flags.bootstrap_kubeconfig, "/etc/kubernetes/bootstrap-kubelet.conf");
  EXPECT_EQ(flags.config_file, "/var/lib/kubelet/config.yaml");
  EXPECT_EQ(flags.cert_dir, "/var/lib/kubelet/pki");
  EXPECT_FALSE(flags.isStandalone());
  EXPECT_EQ(flags.node_name, "node1");
  EXPECT_EQ(flags.node_ips, (std::vector<std::string>{"10.0.0.6", "fd00::6"}));
  EXPECT_EQ(flags.node_labels, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(flags.without_effect, std::vector<std::string>{"--pod-infra-container-image"});
  const auto config = makeConfig({}, flags);
  ASSERT_TRUE(config) << config.error().text;
  ASSERT_EQ(config->kubelet.register_with_taints.size(), 2u);
  EXPECT_EQ(config->kubelet.register_with_taints[0].key, "node-role.kubernetes.io/control-plane");
  EXPECT_EQ(config->kubelet.register_with_taints[1].effect, "NoExecute");
  EXPECT_EQ(config->kubelet.logging.verbosity, 4);
  EXPECT_EQ(config->warnings.size(), 2u) << "one line for fields, one for flags";
}

TEST(Flags, EveryFlagOfTheTableReachesItsField) {
  for (const FlagSpec& spec : flagTable()) {
    const char* text = "";
    switch (spec.form) {
      case FlagForm::kText:
        text = "x";
        break;
      case FlagForm::kBool:
        text = "true";
        break;
      case FlagForm::kNumber:
        text = "3";
        break;
      case FlagForm::kDuration:
        text = "7s";
        break;
      case FlagForm::kList:
        text = "a,b";
        break;
      case FlagForm::kPairs:
        text = "a=b";
        break;
      case FlagForm::kThresholds:
        text = "a<b";
        break;
      case FlagForm::kGates:
        text = "A=true";
        break;
      case FlagForm::kTaints:
        text = "a=b:NoSchedule";
        break;
    }
    const Flags flags = flagsOf({fmt::format("--{}={}", spec.name, text)});
    const auto config = decodeConfig({}, flags);
    ASSERT_TRUE(config) << spec.name << ": " << config.error().text;
    for (const std::string& warning : config->warnings)
      EXPECT_EQ(warning.find("unknown"), std::string::npos) << spec.name << ": " << warning;
    if (spec.target == FlagTarget::kKubelet) {
      std::vector<std::string> warnings;
      EXPECT_TRUE(decodeKubeletConfiguration(flags.kubelet, warnings));
      EXPECT_TRUE(warnings.empty()) << spec.name << ": " << warnings.front();
    }
  }
}

TEST(Flags, FollowTheSyntaxOfPflag) {
  EXPECT_EQ(flagsOf({"--max-pods", "5", "--max-pods=7"}).kubelet.at("maxPods").as_int64(), 7);
  EXPECT_EQ(flagsOf({"--pod-max-pids", "-1"}).kubelet.at("podPidsLimit").as_int64(), -1);
  EXPECT_TRUE(flagsOf({"--register-node"}).kubelet.at("registerNode").as_bool());
  EXPECT_FALSE(flagsOf({"--register-node=false"}).kubelet.at("registerNode").as_bool());
  EXPECT_EQ(flagsOf({"--cluster-dns=1.1.1.1", "--cluster-dns", "2.2.2.2,3.3.3.3"})
                .kubelet.at("clusterDNS")
                .as_array()
                .size(),
            3u);
  EXPECT_EQ(flagsOf({"--v=2"}).kubelet.at("logging").as_object().at("verbosity").as_int64(), 2);
  EXPECT_EQ(flagsOf({"-v2"}).kubelet.at("logging").as_object().at("verbosity").as_int64(), 2);
  EXPECT_EQ(flagsOf({"--kubeconfig="}).kubeconfig, "");
}

TEST(Flags, RefuseByName) {
  const struct {
    std::vector<std::string> words;
    const char* part;
  } cases[] = {
      {{"--made-up"}, "unknown flag: --made-up"},
      {{"pods"}, "unknown command or flag: pods"},
      {{"--config"}, "flag needs an argument: --config"},
      {{"--max-pods=many"}, "--max-pods: expected a whole number"},
      {{"--register-node=perhaps"}, "--register-node: expected true or false"},
      {{"--node-labels=novalue"}, "--node-labels"},
      {{"--eviction-hard=memory.available=1"}, "--eviction-hard"},
      {{"--feature-gates=A=maybe"}, "--feature-gates"},
      {{"--register-with-taints=a"}, "--register-with-taints"},
      {{"--standalone", "--kubeconfig=/k"}, "--standalone excludes"},
  };
  for (const auto& each : cases) {
    const auto parsed = parseFlags(each.words);
    ASSERT_FALSE(parsed) << each.part;
    EXPECT_NE(parsed.error().text.find(each.part), std::string::npos) << parsed.error().text;
  }
}

TEST(Flags, VersionHasTheFormThatKubeadmReads) {
  EXPECT_EQ(textOf({"--version"}, "kubelet"), "Kubernetes v1.36.0\n");
  EXPECT_TRUE(textOf({"--version"}, "keelson").starts_with("keelson "));
  EXPECT_NE(textOf({"--help"}, "keelson").find("--kubeconfig"), std::string::npos);
}

TEST(Flags, FollowKubeadmJoinsWhenKubeadmHas) {
  const auto with = [](std::vector<std::string> present) {
    return [present](const std::string& path) {
      return std::find(present.begin(), present.end(), path) != present.end();
    };
  };
  const Flags given = flagsOf({"--follow-kubeadm"});
  const Flags alone = followKubeadm(given, with({"/etc/keelson/config.yaml"}));
  EXPECT_TRUE(alone.isStandalone());
  EXPECT_EQ(alone.config_file, "/etc/keelson/config.yaml");
  const Flags joined =
      followKubeadm(given, with({"/etc/keelson/config.yaml", "/etc/kubernetes/bootstrap-kubelet.conf"}));
  EXPECT_FALSE(joined.isStandalone());
  EXPECT_EQ(joined.config_file, "/var/lib/kubelet/config.yaml");
  EXPECT_EQ(joined.keelson_config_file, "/etc/keelson/config.yaml");
  EXPECT_EQ(joined.kubeconfig, "/etc/kubernetes/kubelet.conf");
  const Flags forced =
      followKubeadm(flagsOf({"--follow-kubeadm", "--standalone"}), with({"/etc/kubernetes/kubelet.conf"}));
  EXPECT_TRUE(forced.isStandalone());
  // As kubeadm's own drop-in starts it.
  const Flags as_kubelet =
      followKubeadm(flagsOf({"--kubeconfig=/k", "--config=/c"}), with({"/etc/keelson/config.yaml"}));
  EXPECT_EQ(as_kubelet.config_file, "/c");
  EXPECT_EQ(as_kubelet.keelson_config_file, "/etc/keelson/config.yaml");
}

TEST(Flags, NodeLabelsOfKubernetesOwnNamespacesAreRestricted) {
  EXPECT_TRUE(
      parseFlags({"--node-labels=node.kubernetes.io/a=b,x.kubelet.kubernetes.io/c=d,"
                  "topology.kubernetes.io/zone=z,example.com/role=x"}));
  for (const char* bad :
       {"node-role.kubernetes.io/worker=", "kubernetes.io/role=a", "k8s.io/a=b", "a b=c", "a=b c"})
    EXPECT_FALSE(parseFlags({std::string("--node-labels=") + bad})) << bad;
}

TEST(Flags, LabelsAreKeyValuePairs) {
  const auto labels = parseLabels("a=b,c.d/e=");
  ASSERT_TRUE(labels);
  EXPECT_EQ(*labels, (std::map<std::string, std::string>{{"a", "b"}, {"c.d/e", ""}}));
  EXPECT_FALSE(parseLabels("novalue"));
  EXPECT_FALSE(parseLabels("=x"));
}

}  // namespace
}  // namespace keelson::agent
