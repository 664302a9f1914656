#include "api/defaults.h"

#include <gtest/gtest.h>

#include "api/codec.h"
#include "api/yaml.h"

namespace keelson::api {
namespace {

Pod complete(std::string_view spec) {
  const auto documents = parseYaml(spec);
  EXPECT_TRUE(documents.ok()) << spec;
  Pod pod;
  auto decoded = decode<PodSpec>(documents->at(0).value, UnknownFields::kRefuse);
  EXPECT_TRUE(decoded.ok()) << decoded.error().text;
  pod.spec = std::move(decoded->value);
  return defaultPod(std::move(pod));
}

TEST(DefaultPod, FillsTheSpec) {
  const Pod pod = complete("containers: [{name: a, image: b}]");
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.spec.restart_policy, "Always");
  EXPECT_EQ(pod.spec.dns_policy, "ClusterFirst");
  EXPECT_EQ(pod.spec.scheduler_name, "default-scheduler");
  EXPECT_EQ(pod.spec.termination_grace_period_seconds, 30);
  EXPECT_EQ(pod.spec.enable_service_links, true);
  const Container& container = pod.spec.containers.at(0);
  EXPECT_EQ(container.termination_message_path, "/dev/termination-log");
  EXPECT_EQ(container.termination_message_policy, "File");
  EXPECT_EQ(container.image_pull_policy, "Always");
}

TEST(DefaultPod, KeepsWhatIsGiven) {
  const Pod pod = complete(
      "{restartPolicy: Never, dnsPolicy: Default, schedulerName: s, terminationGracePeriodSeconds: 0,"
      " enableServiceLinks: false, containers: [{name: a, image: b, imagePullPolicy: Never,"
      " terminationMessagePath: /x, terminationMessagePolicy: FallbackToLogsOnError}]}");
  EXPECT_EQ(pod.spec.restart_policy, "Never");
  EXPECT_EQ(pod.spec.dns_policy, "Default");
  EXPECT_EQ(pod.spec.scheduler_name, "s");
  EXPECT_EQ(pod.spec.termination_grace_period_seconds, 0);
  EXPECT_EQ(pod.spec.enable_service_links, false);
  EXPECT_EQ(pod.spec.containers[0].image_pull_policy, "Never");
  EXPECT_EQ(pod.spec.containers[0].termination_message_path, "/x");
}

TEST(DefaultPod, TwiceIsAsOnce) {
  const Pod once = complete(
      "{hostNetwork: true, containers: [{name: a, image: b, ports: [{containerPort: 80}],"
      " resources: {limits: {cpu: 1}}, livenessProbe: {httpGet: {port: 80}, timeoutSeconds: 0}}],"
      " volumes: [{name: v}, {name: s, secret: {secretName: s}}], resources: {limits: {memory: 1Gi}}}");
  EXPECT_EQ(defaultPod(once), once);
}

TEST(DefaultPod, PullPolicyFollowsTheTag) {
  const std::pair<const char*, const char*> cases[] = {
      {"nginx", "Always"},
      {"nginx:latest", "Always"},
      {"nginx:1.27", "IfNotPresent"},
      {"registry:5000/nginx", "Always"},
      {"registry:5000/nginx:1", "IfNotPresent"},
      {"registry:5000/a/nginx:latest", "Always"},
      {"nginx@sha256:aa", "IfNotPresent"},
      {"nginx:latest@sha256:aa", "Always"},
      {"nginx:1@sha256:aa", "IfNotPresent"},
      {"nginx:Latest", "IfNotPresent"},
  };
  for (const auto& [image, want] : cases) EXPECT_EQ(defaultPullPolicy(image), want) << image;
}

TEST(DefaultPod, RequestsComeFromLimits) {
  const Pod pod = complete(
      "{containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}}],"
      " initContainers: [{name: i, resources: {limits: {cpu: 2}}}]}");
  EXPECT_EQ(pod.spec.containers[0].resources.requests.at("cpu").str(), "500m");
  EXPECT_EQ(pod.spec.containers[0].resources.requests.at("memory").str(), "1Gi");
  EXPECT_EQ(pod.spec.init_containers[0].resources.requests.at("cpu").str(), "2");
}

TEST(DefaultPod, PodRequestsComeFromContainersThenFromPodLimits) {
  const Pod pod = complete(
      "{resources: {limits: {cpu: 4, memory: 1Gi}}, containers: [{name: a, resources: {requests: {cpu: 1}}},"
      " {name: b, resources: {requests: {cpu: 500m}}}], initContainers: [{name: i, resources: {requests: "
      "{cpu: 2}}},"
      " {name: s, restartPolicy: Always, resources: {requests: {cpu: 1}}}]}");
  EXPECT_EQ(pod.spec.resources->requests.at("cpu").str(), "2500m");
  EXPECT_EQ(pod.spec.resources->requests.at("memory").str(), "1Gi");
}

TEST(DefaultPod, PodLimitsComeFromContainersThatAllHaveThem) {
  const Pod pod = complete(
      "{resources: {requests: {cpu: 1}}, containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}},"
      " {name: b, resources: {limits: {cpu: 1}}}]}");
  EXPECT_EQ(pod.spec.resources->limits.at("cpu").str(), "2");
  EXPECT_FALSE(pod.spec.resources->limits.contains("memory"));
}

TEST(DefaultPod, ProbesGetTheirTimes) {
  const Pod pod = complete(
      "containers: [{name: a, livenessProbe: {httpGet: {port: 80}, timeoutSeconds: 0, periodSeconds: 0},"
      " readinessProbe: {grpc: {port: 1}}, lifecycle: {preStop: {httpGet: {port: 80}}}}]");
  const Container& container = pod.spec.containers[0];
  EXPECT_EQ(container.liveness_probe->timeout_seconds, 1);
  EXPECT_EQ(container.liveness_probe->period_seconds, 10);
  EXPECT_EQ(container.liveness_probe->success_threshold, 1);
  EXPECT_EQ(container.liveness_probe->failure_threshold, 3);
  EXPECT_EQ(container.liveness_probe->http_get->path, "/");
  EXPECT_EQ(container.liveness_probe->http_get->scheme, "HTTP");
  EXPECT_EQ(container.readiness_probe->grpc->service, "");
  EXPECT_EQ(container.lifecycle->pre_stop->http_get->scheme, "HTTP");
}

TEST(DefaultPod, HostNetworkOpensPortsOnTheHost) {
  const Pod pod =
      complete("{hostNetwork: true, containers: [{name: a, ports: [{containerPort: 80, protocol: ''}]}]}");
  EXPECT_EQ(pod.spec.containers[0].ports[0].host_port, 80);
  EXPECT_EQ(pod.spec.containers[0].ports[0].protocol, "TCP");
  EXPECT_EQ(
      complete("containers: [{name: a, ports: [{containerPort: 80}]}]").spec.containers[0].ports[0].host_port,
      0);
}

TEST(DefaultPod, VolumesGetModesAndAnEmptyDir) {
  const Pod pod = complete(
      "{volumes: [{name: a}, {name: b, configMap: {name: c}}, {name: c, secret: {secretName: s, defaultMode: "
      "0400}},"
      " {name: d, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}},"
      " {name: e, projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: c,"
      " resourceFieldRef: {containerName: x, resource: limits.cpu}}]}}]}}, {name: f, image: {reference: a}},"
      " {name: g, fc: {}}], containers: []}");
  const auto& volumes = pod.spec.volumes;
  EXPECT_TRUE(volumes[0].empty_dir.has_value());
  EXPECT_EQ(volumes[1].config_map->default_mode, 0644);
  EXPECT_EQ(volumes[2].secret->default_mode, 0400);
  EXPECT_EQ(volumes[3].downward_api->items[0].field_ref->api_version, "v1");
  EXPECT_EQ(volumes[4].projected->default_mode, 0644);
  EXPECT_EQ(volumes[4].projected->sources[0].service_account_token->expiration_seconds, 3600);
  EXPECT_EQ(volumes[4].projected->sources[1].downward_api->items[0].resource_field_ref->divisor, Quantity());
  EXPECT_EQ(volumes[5].image->pull_policy, "Always");
  EXPECT_FALSE(volumes[6].empty_dir.has_value());
}

TEST(DefaultService, FollowsTheType) {
  Service plain;
  plain.spec.ports.push_back({.port = 80});
  const Service cluster = defaultService(plain);
  EXPECT_EQ(cluster.spec.session_affinity, "None");
  EXPECT_EQ(cluster.spec.ports[0].target_port, IntOrString(80));
  EXPECT_EQ(cluster.spec.internal_traffic_policy, "Cluster");
  EXPECT_EQ(cluster.spec.external_traffic_policy, "");
  plain.spec.type = "LoadBalancer";
  plain.spec.session_affinity = "ClientIP";
  const Service balanced = defaultService(plain);
  EXPECT_EQ(balanced.spec.external_traffic_policy, "Cluster");
  EXPECT_EQ(balanced.spec.client_ip_timeout_seconds, 10800);
  EXPECT_EQ(balanced.spec.allocate_load_balancer_node_ports, true);
  EXPECT_EQ(defaultService(balanced), balanced);
}

}  // namespace
}  // namespace keelson::api
