#include "agent/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/fakes/temp_dir.h"

namespace keelson::agent {
namespace {

constexpr const char* kKubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
constexpr const char* kKeelson = "apiVersion: keelson.dev/v1alpha1\nkind: KeelsonConfiguration\n";

Flags flagsOf(const std::vector<std::string>& words) {
  auto parsed = parseFlags(words);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return parsed ? std::get<Flags>(*parsed) : Flags{};
}

Result<Config> configOf(const std::string& text, const std::vector<std::string>& words = {}) {
  return makeConfig(TRY(parseConfigDocuments(text, "c.yaml")), flagsOf(words));
}

std::string errorOf(const std::string& text, const std::vector<std::string>& words = {}) {
  const auto config = configOf(text, words);
  return config ? "" : config.error().text;
}

TEST(Config, ReadsItsDocumentsInAnyOrder) {
  const auto config =
      configOf(std::string(kKeelson) +
               "bridge: br7\nwatchFallbackPollInterval: 15s\nregistries:\n- {host: docker.io, mirrors: "
               "[\"http://127.0.0.1:5000\"]}\n---\n" +
               kKubelet + "maxPods: 7\nclusterDNS: [10.96.0.10]\n");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->kubelet.max_pods, 7);
  EXPECT_EQ(config->kubelet.cluster_dns, std::vector<std::string>{"10.96.0.10"});
  EXPECT_EQ(config->keelson.bridge, "br7");
  EXPECT_EQ(config->keelson.watchFallbackPollInterval(), std::chrono::seconds(15));
  ASSERT_EQ(config->keelson.registries.size(), 1u);
  EXPECT_EQ(config->keelson.registries[0].mirrors.at(0), "http://127.0.0.1:5000");
  EXPECT_TRUE(config->warnings.empty());
}

// As `kubeadm join` of 1.3x writes it: most times are zero and mean the default.
TEST(Config, AcceptsWhatKubeadmWrites) {
  const auto config = configOf(std::string(kKubelet) + R"(
authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 0s, enabled: true}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}
authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}}
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: "unix:///var/run/containerd/containerd.sock"
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}, verbosity: 0}
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
resolvConf: /run/systemd/resolve/resolv.conf
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
)");
  ASSERT_TRUE(config) << config.error().text;
  const auto& kubelet = config->kubelet;
  EXPECT_EQ(kubelet.static_pod_path, "/etc/kubernetes/manifests");
  EXPECT_EQ(kubelet.sync_frequency, std::chrono::minutes(1));
  EXPECT_EQ(kubelet.node_status_update_frequency, std::chrono::seconds(10));
  EXPECT_EQ(kubelet.node_status_report_frequency, std::chrono::minutes(5));
  EXPECT_EQ(kubelet.authentication.client_ca_file, "/etc/kubernetes/pki/ca.crt");
  EXPECT_EQ(kubelet.authentication.webhook_cache_ttl, std::chrono::minutes(2));
  EXPECT_EQ(kubelet.eviction_hard.at("memory.available"), "100Mi");
  EXPECT_TRUE(kubelet.rotate_certificates);
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_TRUE(config->warnings[0].starts_with("KubeletConfiguration: no effect here: "))
      << config->warnings[0];
  EXPECT_EQ(config->warnings[0].find("Frequency"), std::string::npos) << "zero values are not told";
}

TEST(Config, KnowsEveryFieldOfUpstream) {
  // `configz` shows them all; what has no value by default is named here.
  const auto shown = encodeKubeletConfiguration(configOf(kKubelet).value().kubelet).get_object();
  EXPECT_EQ(shown.at("maxPods").as_int64(), 110);
  EXPECT_EQ(shown.at("evictionPressureTransitionPeriod").as_string(), "5m");
  std::string empties = kKubelet;
  size_t count = 0;
  for (const char* name : {"enableServer",
                           "staticPodPath",
                           "podLogsDir",
                           "syncFrequency",
                           "fileCheckFrequency",
                           "httpCheckFrequency",
                           "staticPodURL",
                           "staticPodURLHeader",
                           "address",
                           "port",
                           "readOnlyPort",
                           "tlsCertFile",
                           "tlsPrivateKeyFile",
                           "tlsCipherSuites",
                           "tlsCurvePreferences",
                           "tlsMinVersion",
                           "rotateCertificates",
                           "serverTLSBootstrap",
                           "authentication",
                           "authorization",
                           "registryPullQPS",
                           "registryBurst",
                           "imagePullCredentialsVerificationPolicy",
                           "preloadedImagesVerificationAllowlist",
                           "eventRecordQPS",
                           "eventBurst",
                           "enableDebuggingHandlers",
                           "enableContentionProfiling",
                           "healthzPort",
                           "healthzBindAddress",
                           "oomScoreAdj",
                           "clusterDomain",
                           "clusterDNS",
                           "streamingConnectionIdleTimeout",
                           "nodeStatusUpdateFrequency",
                           "nodeStatusReportFrequency",
                           "nodeLeaseDurationSeconds",
                           "imageMinimumGCAge",
                           "imageMaximumGCAge",
                           "imageGCHighThresholdPercent",
                           "imageGCLowThresholdPercent",
                           "volumeStatsAggPeriod",
                           "kubeletCgroups",
                           "systemCgroups",
                           "cgroupRoot",
                           "cgroupsPerQOS",
                           "cgroupDriver",
                           "cpuManagerPolicy",
                           "singleProcessOOMKill",
                           "cpuManagerPolicyOptions",
                           "cpuManagerReconcilePeriod",
                           "memoryManagerPolicy",
                           "topologyManagerPolicy",
                           "topologyManagerScope",
                           "topologyManagerPolicyOptions",
                           "qosReserved",
                           "runtimeRequestTimeout",
                           "hairpinMode",
                           "maxPods",
                           "podCIDR",
                           "podPidsLimit",
                           "resolvConf",
                           "runOnce",
                           "cpuCFSQuota",
                           "cpuCFSQuotaPeriod",
                           "nodeStatusMaxImages",
                           "maxOpenFiles",
                           "contentType",
                           "kubeAPIQPS",
                           "kubeAPIBurst",
                           "serializeImagePulls",
                           "maxParallelImagePulls",
                           "evictionHard",
                           "evictionSoft",
                           "evictionSoftGracePeriod",
                           "evictionPressureTransitionPeriod",
                           "evictionMaxPodGracePeriod",
                           "evictionMinimumReclaim",
                           "mergeDefaultEvictionSettings",
                           "podsPerCore",
                           "enableControllerAttachDetach",
                           "protectKernelDefaults",
                           "makeIPTablesUtilChains",
                           "iptablesMasqueradeBit",
                           "iptablesDropBit",
                           "featureGates",
                           "failSwapOn",
                           "memorySwap",
                           "containerLogMaxSize",
                           "containerLogMaxFiles",
                           "containerLogMaxWorkers",
                           "containerLogMonitorInterval",
                           "configMapAndSecretChangeDetectionStrategy",
                           "systemReserved",
                           "kubeReserved",
                           "reservedSystemCPUs",
                           "showHiddenMetricsForVersion",
                           "systemReservedCgroup",
                           "kubeReservedCgroup",
                           "enforceNodeAllocatable",
                           "allowedUnsafeSysctls",
                           "volumePluginDir",
                           "providerID",
                           "kernelMemcgNotification",
                           "logging",
                           "enableSystemLogHandler",
                           "enableSystemLogQuery",
                           "shutdownGracePeriod",
                           "shutdownGracePeriodCriticalPods",
                           "shutdownGracePeriodByPodPriority",
                           "crashLoopBackOff",
                           "reservedMemory",
                           "enableProfilingHandler",
                           "enableDebugFlagsHandler",
                           "seccompDefault",
                           "memoryThrottlingFactor",
                           "memoryReservationPolicy",
                           "registerWithTaints",
                           "registerNode",
                           "tracing",
                           "localStorageCapacityIsolation",
                           "containerRuntimeEndpoint",
                           "imageServiceEndpoint",
                           "failCgroupV1",
                           "userNamespaces"}) {
    empties += fmt::format("{}: null\n", name);
    ++count;
  }
  EXPECT_EQ(count, 125u);
  const auto config = configOf(empties);
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_TRUE(config->warnings.empty()) << config->warnings.front();
}

TEST(Config, WarnsAboutUnknownKubeletFieldsOnce) {
  const auto config = configOf(std::string(kKubelet) + "madeUp: 1\n");
  ASSERT_TRUE(config) << config.error().text;
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_EQ(config->warnings[0], "c.yaml: KubeletConfiguration: madeUp: unknown field");
}

TEST(Config, RefusesByName) {
  const struct {
    std::string text, part;
  } cases[] = {
      {std::string(kKubelet) + "maxPods: many\n", "c.yaml: line 1: maxPods"},
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

TEST(Config, ChecksValuesInUpstreamsWords) {
  const struct {
    const char *text, *part;
  } cases[] = {
      {"syncFrequency: 1ms", "syncFrequency 1ms must be at least"},
      {"nodeLeaseDurationSeconds: -1", "nodeLeaseDurationSeconds must be greater than 0"},
      {"imageGCLowThresholdPercent: 90",
       "imageGCLowThresholdPercent (--image-gc-low-threshold) 90 must be less than"},
      {"imageGCHighThresholdPercent: 101", "must be between 0 and 100, inclusive"},
      {"port: 70000", "port (--port) 70000 must be between 1 and 65535, inclusive"},
      {"healthzPort: -1", "healthzPort (--healthz-port) -1 must be between"},
      {"cpuCFSQuotaPeriod: 2s", "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) 2s must be between 1ms and 1sec"},
      {"{serializeImagePulls: true, maxParallelImagePulls: 3}",
       "maxParallelImagePulls cannot be larger than 1"},
      {"shutdownGracePeriodCriticalPods: 5s", "must be <= shutdownGracePeriod"},
      {"enforceNodeAllocatable: [pods, kube-reserved]",
       "kubeReservedCgroup (--kube-reserved-cgroup) must be specified"},
      {"enforceNodeAllocatable: [none, pods]", "may not contain additional enforcements"},
      {"cgroupDriver: other", "cgroupDriver (--cgroup-driver) \"other\" must be one of"},
      {"runOnce: true", "Runonce mode has been deprecated"},
      {"featureGates: {NotAGate: true}", "unrecognized feature gate: NotAGate"},
      {"featureGates: {ImageVolume: false}",
       "cannot set feature gate ImageVolume to false, feature is locked"},
      {"evictionHard: {memory.free: 1Gi}", "unsupported eviction signal memory.free"},
      {"evictionSoft: {memory.available: 1Gi}", "grace period must be specified"},
      {"evictionHard: {nodefs.available: 101%}", "percentage"},
      {"systemReserved: {gpu: one}", "cannot reserve \"gpu\" resource"},
      {"kubeReserved: {cpu: -1m}", "cannot be negative"},
      {"reservedSystemCPUs: 0-x", "unable to parse reservedSystemCPUs"},
      {"containerLogMaxFiles: 1", "containerLogMaxFiles must be greater than 1"},
      {"containerLogMaxSize: -1Mi", "containerLogMaxSize"},
      {"podLogsDir: logs", "must be absolute path"},
      {"podCIDR: 10.244.0.7/24", "podCIDR"},
      {"clusterDNS: [nowhere]", "clusterDNS"},
      {"tlsCertFile: /a", "must be given together"},
      {"registerWithTaints: [{key: a, effect: Never}]", "invalid taint"},
  };
  for (const auto& each : cases) {
    std::string text(each.text);
    if (text.starts_with('{')) text = text.substr(1, text.size() - 2);
    for (size_t at; (at = text.find(", max")) != std::string::npos;) text.replace(at, 2, "\n");
    const std::string error = errorOf(kKubelet + text + "\n");
    EXPECT_TRUE(error.starts_with("invalid configuration: ")) << each.text << ": " << error;
    EXPECT_NE(error.find(each.part), std::string::npos) << each.text << "\n" << error;
  }
  EXPECT_NE(errorOf(std::string(kKeelson) + "mtu: 5\nlogLevel: loud\n").find("logLevel"), std::string::npos);
}

TEST(Config, FlagsWinOverFilesAndGatesAreUnited) {
  const auto config =
      configOf(std::string(kKubelet) +
                   "maxPods: 5\nevictionHard: {nodefs.available: 1%}\n"
                   "featureGates: {NodeSwap: true}\nauthentication: {webhook: {enabled: false}}\n",
               {"--max-pods=9", "--run-dir", "/tmp/r", "--eviction-hard=memory.available<1Gi",
                "--feature-gates=ContainerCheckpoint=false", "--anonymous-auth"});
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->kubelet.max_pods, 9);
  EXPECT_EQ(config->kubelet.eviction_hard, (api::StringMap{{"memory.available", "1Gi"}}));
  EXPECT_EQ(config->kubelet.feature_gates,
            (std::map<std::string, bool>{{"NodeSwap", true}, {"ContainerCheckpoint", false}}));
  EXPECT_TRUE(config->kubelet.authentication.anonymous_enabled);
  EXPECT_FALSE(config->kubelet.authentication.webhook_enabled);
  EXPECT_EQ(config->keelson.socket, "/tmp/r/keelson.sock");
  EXPECT_EQ(config->kubelet.pod_cidr, "10.244.0.0/24");
}

TEST(Config, PodCidrComesFromTheClusterWhenJoined) {
  const auto config = configOf(kKubelet, {"--kubeconfig=/etc/kubernetes/kubelet.conf"});
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->kubelet.pod_cidr, "");
  EXPECT_EQ(config->kubelet.static_pod_path, "");
}

TEST(Config, DropInsAreMergedInTheOrderOfTheirPaths) {
  TempDir temp;
  std::filesystem::create_directories(temp / "conf.d/nested");
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(temp / name) << text;
  };
  write("c.yaml", std::string(kKubelet) + "maxPods: 1\nkubeReserved: {cpu: 500m}\npodsPerCore: 3\n");
  write("conf.d/10-a.conf",
        std::string(kKubelet) + "maxPods: 2\nkubeReserved: {memory: 1Gi}\npodsPerCore: null\n");
  write("conf.d/20-b.conf", std::string(kKubelet) + "maxPods: 3\n---\n" + kKeelson + "bridge: br1\n");
  write("conf.d/30-not.yaml", "nonsense");
  const auto config = loadConfig(flagsOf({"--config", temp / "c.yaml", "--config-dir", temp / "conf.d"}));
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->kubelet.max_pods, 3);
  EXPECT_EQ(config->kubelet.pods_per_core, 0);
  EXPECT_EQ(config->kubelet.kube_reserved, (api::StringMap{{"cpu", "500m"}, {"memory", "1Gi"}}));
  EXPECT_EQ(config->keelson.bridge, "br1");
  write("conf.d/15-bad.conf", "maxPods: 9\n");
  const auto bad = loadConfig(flagsOf({"--config", temp / "c.yaml", "--config-dir", temp / "conf.d"}));
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().text.find("15-bad.conf: a drop-in must have apiVersion and kind"), std::string::npos)
      << bad.error().text;
}

TEST(Config, DefaultsDependOnWhatWasGiven) {
  EXPECT_EQ(configOf(std::string(kKubelet) + "nodeStatusUpdateFrequency: 20s\n")
                ->kubelet.node_status_report_frequency,
            std::chrono::seconds(20));
  EXPECT_TRUE(configOf(std::string(kKubelet) + "evictionHard: {}\n")->kubelet.eviction_hard.empty());
  const auto merged = configOf(std::string(kKubelet) +
                               "mergeDefaultEvictionSettings: true\nevictionHard: {memory.available: 1Gi}\n");
  EXPECT_EQ(merged->kubelet.eviction_hard.at("memory.available"), "1Gi");
  EXPECT_EQ(merged->kubelet.eviction_hard.at("imagefs.available"), "15%");
  EXPECT_TRUE(configOf(kKubelet)->kubelet.serializesImagePulls());
  EXPECT_FALSE(
      configOf(std::string(kKubelet) + "maxParallelImagePulls: 3\n")->kubelet.serializesImagePulls());
}

}  // namespace
}  // namespace keelson::agent
