#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/codec.h"
#include "api/config_map.h"
#include "api/node.h"
#include "api/pod.h"
#include "api/runtime_class.h"
#include "api/secret.h"
#include "api/service.h"
#include "api/yaml.h"

namespace keelson::api {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

template <class T>
Result<Decoded<T>> decodeYaml(std::string_view text, UnknownFields unknown = UnknownFields::kWarn) {
  const auto documents = TRY(parseYaml(text));
  return decode<T>(documents.at(0).value, unknown);
}

template <class T>
T decoded(std::string_view text) {
  auto result = decodeYaml<T>(text, UnknownFields::kRefuse);
  EXPECT_TRUE(result.ok()) << text << "\n" << result.error().text;
  return result.ok() ? std::move(result->value) : T{};
}

template <class T = Pod>
std::string errorOf(std::string_view text, UnknownFields unknown = UnknownFields::kWarn) {
  const auto result = decodeYaml<T>(text, unknown);
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  return result.error().text;
}

TEST(Decode, ErrorsNameTheFieldAndBothTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {"spec: {containers: [{image: a}, {image: 5}]}",
       "spec.containers[1].image: expected a string, got a number"},
      {"spec: {containers: nginx}", "spec.containers: expected a list, got a string"},
      {"spec: {containers: [nginx]}", "spec.containers[0]: expected an object, got a string"},
      {"spec: {containers: [null]}", "spec.containers[0]: must not be null"},
      {"spec: []", "spec: expected an object, got a list"},
      {"- 1", "expected an object, got a list"},
      {"spec: {hostNetwork: 1}", "spec.hostNetwork: expected a boolean, got a number"},
      {"spec: {hostNetwork: \"true\"}", "spec.hostNetwork: expected a boolean, got a string"},
      {"spec: {priority: high}", "spec.priority: expected an integer, got a string"},
      {"spec: {priority: 1.5}", "spec.priority: expected an integer, got a number"},
      {"spec: {priority: 3000000000}", "spec.priority: must be between -2147483648 and 2147483647"},
      {"spec: {activeDeadlineSeconds: 1e30}",
       "spec.activeDeadlineSeconds: must be between -9223372036854775808 and 9223372036854775807"},
      {"spec: {activeDeadlineSeconds: 18446744073709551615}",
       "spec.activeDeadlineSeconds: must be between -9223372036854775808 and 9223372036854775807"},
      {"metadata: {labels: {app.kubernetes.io/name: true}}",
       "metadata.labels[app.kubernetes.io/name]: expected a string, got a boolean"},
      {"metadata: {labels: [a]}", "metadata.labels: expected an object, got a list"},
      {"metadata: {creationTimestamp: yesterday}",
       "metadata.creationTimestamp: expected an RFC 3339 time, got \"yesterday\""},
      {"spec: {containers: [{resources: {limits: {cpu: lots}}}]}",
       "spec.containers[0].resources.limits[cpu]: quantity \"lots\": has no digits"},
      {"spec: {containers: [{resources: {limits: {cpu: []}}}]}",
       "spec.containers[0].resources.limits[cpu]: expected a quantity, got a list"},
      {"spec: {containers: [{livenessProbe: {httpGet: {port: true}}}]}",
       "spec.containers[0].livenessProbe.httpGet.port: expected an integer or a string, got a boolean"},
      {"spec: {imagePullSecrets: [regcred]}", "spec.imagePullSecrets[0]: expected an object, got a string"},
      {"spec: {imagePullSecrets: {name: a}}", "spec.imagePullSecrets: expected a list, got an object"},
      {"spec: {affinity: {nodeAffinity: 1}}", "spec.affinity.nodeAffinity: expected an object, got a number"},
      {"spec: {hostname: \"a\\0b\"}", "spec.hostname: must not contain a NUL byte"},
      {"{kind: Service, apiVersion: v1}", "kind: expected Pod, got \"Service\""},
      {"{kind: Pod, apiVersion: v2}", "apiVersion: expected v1, got \"v2\""},
      {"{kind: Pod, apiVersion: 1}", "apiVersion: expected a string, got a number"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(errorOf(text), want) << text;
}

TEST(Decode, ListsSeveralErrorsAndCountsTheRest) {
  EXPECT_EQ(
      errorOf("spec: {hostname: 1, subdomain: 2}"),
      "[spec.hostname: expected a string, got a number, spec.subdomain: expected a string, got a number]");
  std::string many = "spec: {containers: [";
  for (int i = 0; i < 50; ++i) many += "1, ";
  const std::string text = errorOf(many + "]}");
  EXPECT_THAT(text, StartsWith("[spec.containers[0]: "));
  EXPECT_THAT(text, EndsWith(", and 30 more]"));
}

TEST(Decode, NullIsAbsent) {
  const Pod pod = decoded<Pod>(
      "metadata: {labels: null, name: ~}\nspec: {containers: null, dnsPolicy: null, hostUsers: ~}");
  EXPECT_EQ(pod, Pod{});
}

TEST(Decode, UnknownFieldsAreWarnedAboutOrRefused) {
  const char* text =
      "speck: {}\nspec: {containers: [{name: a, img: b}], imagePullSecrets: [{name: a, x: 1}]}";
  const auto lenient = decodeYaml<Pod>(text);
  ASSERT_TRUE(lenient.ok());
  EXPECT_THAT(lenient->warnings,
              ElementsAre("spec.containers[0].img: unknown field",
                          "spec.imagePullSecrets[0].x: unknown field", "speck: unknown field"));
  EXPECT_EQ(errorOf(text, UnknownFields::kRefuse),
            "[spec.containers[0].img: unknown field, spec.imagePullSecrets[0].x: unknown field, "
            "speck: unknown field]");
}

TEST(Decode, WarningsAreBounded) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "x" + std::to_string(i) + ": 1, ";
  EXPECT_EQ(decodeYaml<Pod>(text + "}")->warnings.size(), 20U);
}

TEST(Decode, FieldsThatNobodyActsOnAreNotUnknown) {
  decoded<Pod>(R"(
apiVersion: v1
kind: Pod
metadata: {selfLink: a, managedFields: [{a: b}]}
spec:
  topologySpreadConstraints: []
  schedulingGates: []
  resourceClaims: []
  affinity: {podAffinity: {}, podAntiAffinity: {}, nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
  containers: []
status: {nominatedNodeName: a, resize: ""}
)");
}

TEST(Decode, IntegersMayBeWrittenAsWholeFloats) {
  EXPECT_EQ(decoded<Pod>("spec: {priority: 1e3}").spec.priority, 1000);
  EXPECT_EQ(decoded<Pod>("spec: {activeDeadlineSeconds: 5.0}").spec.active_deadline_seconds, 5);
}

TEST(Decode, QuantitiesMayBeNumbers) {
  const Pod pod = decoded<Pod>("spec: {containers: [{resources: {limits: {cpu: 0.5, memory: 1048576}}}]}");
  const auto& limits = pod.spec.containers.at(0).resources.limits;
  EXPECT_EQ(limits.at("cpu").milliValue(), 500);
  EXPECT_EQ(limits.at("memory").value(), 1 << 20);
}

TEST(Decode, PortsAreNumbersOrNames) {
  const Pod pod = decoded<Pod>(
      "spec: {containers: [{livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {tcpSocket: {port: "
      "http}}}]}");
  EXPECT_EQ(pod.spec.containers[0].liveness_probe->tcp_socket->port, IntOrString(80));
  EXPECT_EQ(pod.spec.containers[0].readiness_probe->tcp_socket->port, IntOrString(std::string("http")));
}

TEST(Decode, RequiredNodeAffinityIsKeptEvenWithoutTerms) {
  EXPECT_EQ(decoded<Pod>("spec: {affinity: {}}").spec.required_node_affinity, std::nullopt);
  const Pod pod = decoded<Pod>(
      "spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
      "[]}}}}");
  ASSERT_TRUE(pod.spec.required_node_affinity.has_value());
  EXPECT_TRUE(pod.spec.required_node_affinity->empty());
}

TEST(Decode, TheOldNameOfTheServiceAccountCounts) {
  EXPECT_EQ(decoded<Pod>("spec: {serviceAccount: old}").spec.service_account_name, "old");
  EXPECT_EQ(decoded<Pod>("spec: {serviceAccount: old, serviceAccountName: new}").spec.service_account_name,
            "new");
}

TEST(Decode, VolumeSourcesOfOtherNodesAreRemembered) {
  const Pod pod = decoded<Pod>("spec: {volumes: [{name: a, iscsi: {lun: 1}}, {name: b, emptyDir: {}}]}");
  EXPECT_EQ(pod.spec.volumes.at(0).unsupported_source, "iscsi");
  EXPECT_EQ(pod.spec.volumes.at(1).unsupported_source, "");
}

TEST(Decode, AddressesAreListsWhateverFormTheyCameIn) {
  EXPECT_THAT(decoded<Pod>("status: {podIP: 10.0.0.1, hostIP: 10.0.0.2}").status.pod_ips,
              ElementsAre("10.0.0.1"));
  const Pod both = decoded<Pod>("status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: \"::1\"}]}");
  EXPECT_THAT(both.status.pod_ips, ElementsAre("10.0.0.1", "::1"));
  const json::value encoded = encode(both.status);
  EXPECT_EQ(json::serialize(encoded), R"({"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"::1"}]})");
}

TEST(Encode, ContainerStatusesLookAsKubectlExpects) {
  PodStatus status;
  status.phase = "Running";
  ContainerStatus web;
  web.name = "web";
  web.state.running = ContainerStateRunning{*parseTime("2026-11-20T16:51:48.9Z")};
  status.container_statuses.push_back(web);
  status.conditions.push_back({.type = "Ready", .status = "True"});
  EXPECT_EQ(
      json::serialize(encode(status)),
      R"({"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null,)"
      R"("lastTransitionTime":null}],"containerStatuses":[{"name":"web","state":{"running":{"startedAt":)"
      R"("2026-11-20T16:51:48Z"}},"lastState":{},"ready":false,"restartCount":0,"image":"","imageID":""}]})");
}

TEST(Encode, AnEmptyPodHasOnlyWhatGoAlwaysWrites) {
  EXPECT_EQ(
      json::serialize(encode(Pod{})),
      R"({"apiVersion":"v1","kind":"Pod","metadata":{},"spec":{"containers":[],"restartPolicy":"Always",)"
      R"("dnsPolicy":"ClusterFirst","securityContext":{}},"status":{}})");
}

TEST(Secret, StringDataWinsOverData) {
  const Secret secret = decoded<Secret>("data: {a: YQ==, b: Yg==}\nstringData: {b: new, c: c}\ntype: x/y");
  EXPECT_EQ(secret.data, (StringMap{{"a", "a"}, {"b", "new"}, {"c", "c"}}));
  EXPECT_EQ(
      json::serialize(encode(secret)),
      R"({"apiVersion":"v1","kind":"Secret","metadata":{},"data":{"a":"YQ==","b":"bmV3","c":"Yw=="},"type":"x/y"})");
  EXPECT_EQ(decoded<Secret>("kind: Secret").type, "Opaque");
  EXPECT_EQ(errorOf<Secret>("data: {a: '***'}"), "data[a]: expected base64");
}

TEST(ConfigMap, HoldsTextAndBytes) {
  const ConfigMap map = decoded<ConfigMap>("data: {a: b}\nbinaryData: {c: AP8=}\nimmutable: true");
  EXPECT_EQ(map.data, (StringMap{{"a", "b"}}));
  EXPECT_EQ(map.binary_data, (StringMap{{"c", std::string("\0\xff", 2)}}));
  EXPECT_EQ(decode<ConfigMap>(encode(map))->value, map);
  EXPECT_EQ(errorOf<ConfigMap>("data: {a: 3}"), "data[a]: expected a string, got a number");
}

TEST(Service, KeepsWhatAProxyActsOn) {
  const Service service = decoded<Service>(R"(
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd00::1"]
  selector: {app: a}
  ports: [{name: http, port: 80, targetPort: web, nodePort: 30080, appProtocol: h2c}]
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  externalIPs: [192.0.2.1]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Cluster
  loadBalancerSourceRanges: [192.0.2.0/24]
  loadBalancerIP: 192.0.2.2
  loadBalancerClass: x/y
  allocateLoadBalancerNodePorts: false
  healthCheckNodePort: 30000
  publishNotReadyAddresses: true
  externalName: a.b
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  trafficDistribution: PreferClose
status: {loadBalancer: {ingress: [{ip: 192.0.2.3, hostname: h, ipMode: Proxy, ports: []}]}, conditions: []}
)");
  EXPECT_THAT(service.spec.cluster_ips, ElementsAre("10.96.0.1", "fd00::1"));
  EXPECT_EQ(service.spec.client_ip_timeout_seconds, 60);
  EXPECT_EQ(service.spec.ports.at(0).target_port, IntOrString(std::string("web")));
  EXPECT_EQ(service.status.load_balancer_ingress.at(0).ip_mode, "Proxy");
  EXPECT_EQ(decode<Service>(encode(service), UnknownFields::kRefuse)->value, service);
}

TEST(Node, KeepsSpecAndStatus) {
  const Node node = decoded<Node>(R"(
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24], providerID: x, unschedulable: true, taints: [{key: a, effect: NoSchedule}]}
status:
  capacity: {cpu: "2", memory: 8Gi}
  allocatable: {cpu: "2", memory: 7Gi}
  conditions: [{type: Ready, status: "True", lastHeartbeatTime: "2026-11-20T16:51:48Z", lastTransitionTime: "2026-11-20T16:51:48Z"}]
  addresses: [{type: InternalIP, address: 192.0.2.1}]
  daemonEndpoints: {kubeletEndpoint: {Port: 10250}}
  nodeInfo: {machineID: m, systemUUID: u, bootID: b, kernelVersion: k, osImage: o, containerRuntimeVersion: r, kubeletVersion: v, kubeProxyVersion: "", operatingSystem: linux, architecture: amd64, swap: {capacity: 1024}}
  images: [{names: [a, b], sizeBytes: 5}]
  volumesInUse: [a]
  volumesAttached: [{name: a, devicePath: ""}]
  runtimeHandlers: [{name: "", features: {recursiveReadOnlyMounts: true, userNamespaces: false}}]
  features: {supplementalGroupsPolicy: true}
)");
  EXPECT_EQ(node.status.kubelet_port, 10250);
  EXPECT_EQ(node.status.node_info.swap_capacity, 1024);
  EXPECT_EQ(node.status.runtime_handlers.at(0).user_namespaces, false);
  EXPECT_THAT(node.spec.pod_cidrs, ElementsAre("10.244.0.0/24"));
  EXPECT_EQ(decode<Node>(encode(node), UnknownFields::kRefuse)->value, node);
}

TEST(RuntimeClass, KeepsHandlerOverheadAndScheduling) {
  const RuntimeClass one = decoded<RuntimeClass>(R"(
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata-qemu
overhead: {podFixed: {memory: 120Mi}}
scheduling: {nodeSelector: {kata: "true"}, tolerations: [{operator: Exists}]}
)");
  EXPECT_EQ(one.handler, "kata-qemu");
  EXPECT_EQ(one.pod_fixed_overhead.at("memory").str(), "120Mi");
  EXPECT_EQ(decode<RuntimeClass>(encode(one), UnknownFields::kRefuse)->value, one);
}

}  // namespace
}  // namespace keelson::api
