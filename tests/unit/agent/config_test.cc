#include "agent/config.h"

#include <gtest/gtest.h>

#include "agent/flags.h"

namespace keelson::agent {
namespace {

constexpr const char* kKubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
constexpr const char* kKeelson = "apiVersion: keelson.dev/v1alpha1\nkind: KeelsonConfiguration\n";

std::string errorOf(const std::string& text) {
  const auto config = parseConfig(text, "c.yaml");
  return config ? "" : config.error().text;
}

TEST(Config, ReadsItsDocumentsInAnyOrder) {
  const auto config = parseConfig(
      std::string(kKeelson) +
          "bridge: br7\nregistries:\n- {host: docker.io, mirrors: [\"http://127.0.0.1:5000\"]}\n---\n" +
          kKubelet + "maxPods: 7\nclusterDNS: [10.96.0.10]\n",
      "c.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->kubelet.max_pods, 7);
  EXPECT_EQ(config->kubelet.cluster_dns, std::vector<std::string>{"10.96.0.10"});
  EXPECT_EQ(config->keelson.bridge, "br7");
  ASSERT_EQ(config->keelson.registries.size(), 1u);
  EXPECT_EQ(config->keelson.registries[0].mirrors.at(0), "http://127.0.0.1:5000");
  EXPECT_TRUE(config->warnings.empty());
}

TEST(Config, AcceptsWhatKubeadmWrites) {
  const auto config = parseConfig(std::string(kKubelet) + R"(
authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 0s, enabled: true}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 20s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}}, verbosity: 0}
memorySwap: {}
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
)",
                                  "config.yaml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_TRUE(config->warnings.empty()) << config->warnings.front();
  EXPECT_EQ(config->kubelet.static_pod_path, "/etc/kubernetes/manifests");
}

TEST(Config, WarnsAboutUnknownKubeletFields) {
  const auto config = parseConfig(std::string(kKubelet) + "madeUp: 1\n", "c.yaml");
  ASSERT_TRUE(config) << config.error().text;
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_NE(config->warnings[0].find("madeUp"), std::string::npos);
}

TEST(Config, RefusesByName) {
  const struct {
    std::string text, part;
  } cases[] = {
      {std::string(kKubelet) + "maxPods: many\n", "maxPods"},
      {std::string(kKeelson) + "bridg: x\n", "bridg"},
      {"", "empty"},
      {std::string(kKubelet) + "---\n" + kKubelet, "twice"},
      {"kind: Pod\napiVersion: v1\n", "Pod"},
      {"apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n", "v1beta1"},
      {"- a\n", "kind"},
  };
  for (const auto& each : cases)
    EXPECT_NE(errorOf(each.text).find(each.part), std::string::npos) << each.text << "\n"
                                                                     << errorOf(each.text);
}

TEST(Config, ChecksValuesAndListsEveryFinding) {
  Config config = mergeFlags({}, {});
  ASSERT_TRUE(validateConfig(config)) << validateConfig(config).error().text;
  config.kubelet.sync_frequency = "soon";
  config.kubelet.container_log_max_files = 1;
  config.kubelet.container_log_max_size = "-1Mi";
  config.kubelet.pod_cidr = "10.244.0.7/24";
  config.keelson.bridge = "a-name-too-long-for-linux";
  config.keelson.mtu = 5;
  config.keelson.log_level = "loud";
  config.kubelet.cluster_dns = {"nowhere"};
  const auto result = validateConfig(config);
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().text.starts_with("invalid configuration: ")) << result.error().text;
  for (const char* field : {"syncFrequency", "containerLogMaxFiles", "containerLogMaxSize", "podCIDR",
                            "bridge", "mtu", "logLevel", "clusterDNS"})
    EXPECT_NE(result.error().text.find(field), std::string::npos) << field;
}

TEST(Config, FlagsWinOverTheFile) {
  Config config;
  config.kubelet.max_pods = 5;
  Flags flags;
  flags.max_pods = 9;
  flags.run_dir = "/tmp/r";
  const Config merged = mergeFlags(config, flags);
  EXPECT_EQ(merged.kubelet.max_pods, 9);
  EXPECT_EQ(merged.keelson.socket, "/tmp/r/keelson.sock");
  EXPECT_EQ(merged.kubelet.pod_cidr, "10.244.0.0/24");
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
