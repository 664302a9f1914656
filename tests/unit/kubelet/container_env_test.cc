#include "kubelet/container_env.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

const DownwardFacts kFacts{
    {"192.0.2.1", "2001:db8::1"}, {"10.244.0.2", "fd00::2"}, Millicpu{4000}, Bytes{8 << 20}};

api::Pod podWithEnv(const std::string& env) {
  return podFrom(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: shop}, annotations: {a/b: c}}\n"
      "spec:\n  nodeName: node1\n  containers:\n  - name: web\n    image: nginx\n"
      "    resources: {limits: {cpu: 1500m}, requests: {memory: 3Mi}}\n    env:\n" +
      env);
}

std::string valueOf(const std::string& source) {
  const api::Pod pod = podWithEnv("    - {name: X, valueFrom: {" + source + "}}\n");
  const auto env = resolveEnv(pod, pod.spec.containers.at(0), kFacts);
  return env ? env->at(0).second : "error " + env.error().text;
}

TEST(ResolveEnv, KnowsTheDownwardApi) {
  const std::pair<const char*, const char*> cases[] = {
      {"metadata.name", "web"},        {"metadata.namespace", "default"},
      {"metadata.uid", "uid-1"},       {"metadata.labels['app']", "shop"},
      {"metadata.labels['none']", ""}, {"metadata.annotations['a/b']", "c"},
      {"spec.nodeName", "node1"},      {"spec.serviceAccountName", ""},
      {"status.hostIP", "192.0.2.1"},  {"status.hostIPs", "192.0.2.1,2001:db8::1"},
      {"status.podIP", "10.244.0.2"},  {"status.podIPs", "10.244.0.2,fd00::2"},
  };
  for (const auto& [path, value] : cases) {
    EXPECT_EQ(valueOf(std::string("fieldRef: {fieldPath: \"") + path + "\"}"), value) << path;
  }
}

TEST(ResolveEnv, RoundsResourcesUp) {
  const std::pair<const char*, const char*> cases[] = {
      {"resource: limits.cpu", "2"},
      {"resource: limits.cpu, divisor: 1m", "1500"},
      {"resource: requests.memory, divisor: 1Mi", "3"},
      {"resource: requests.memory, divisor: 1M", "4"},
      {"resource: limits.memory, divisor: 1Mi", "8"},  // unset: the node's
      {"resource: requests.cpu", "2"},                 // defaulted from the limit
  };
  for (const auto& [field, value] : cases) {
    EXPECT_EQ(valueOf(std::string("resourceFieldRef: {") + field + "}"), value) << field;
  }
}

TEST(ResolveEnv, ExpandsEarlierVariablesOnly) {
  const api::Pod pod = podWithEnv(
      "    - {name: A, value: one}\n    - {name: B, value: '$(A)-$(C)-$$(A)'}\n    - {name: C, value: "
      "three}\n");
  const auto env = resolveEnv(pod, pod.spec.containers[0], kFacts);
  ASSERT_TRUE(env);
  EXPECT_EQ(env->at(1).second, "one-$(C)-$(A)");
}

TEST(ResolveEnv, NamesWhatIsNotServed) {
  EXPECT_EQ(valueOf("configMapKeyRef: {name: game, key: lives}"),
            "error env X: valueFrom.configMapKeyRef is not served by this node");
  EXPECT_EQ(valueOf("secretKeyRef: {name: game, key: lives}"),
            "error env X: valueFrom.secretKeyRef is not served by this node");
  api::Pod pod = podWithEnv("    - {name: A, value: one}\n");
  pod.spec.containers[0].env_from.push_back({"", api::EnvSourceRef{"game", {}}, {}});
  EXPECT_EQ(resolveEnv(pod, pod.spec.containers[0], kFacts).error().text,
            "envFrom: configMapRef is not served by this node");
}

}  // namespace
}  // namespace keelson::kubelet
