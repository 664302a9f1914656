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

// The objects of a manifest folder.
PodObjects folderOf(const std::string& yaml) {
  auto store = std::make_shared<ObjectStore>();
  const auto manifest = api::decodeManifest(yaml);
  EXPECT_TRUE(manifest) << (manifest ? "" : manifest.error().text);
  for (const auto& object : manifest->objects) {
    if (const auto* one = std::get_if<api::ConfigMap>(&object))
      store->config_maps["default/" + one->metadata.name] = std::make_shared<const api::ConfigMap>(*one);
    if (const auto* one = std::get_if<api::Secret>(&object))
      store->secrets["default/" + one->metadata.name] = std::make_shared<const api::Secret>(*one);
    if (const auto* one = std::get_if<api::Service>(&object)) {
      const std::string name_space = one->metadata.namespace_.empty() ? "default" : one->metadata.namespace_;
      store->services[name_space + "/" + one->metadata.name] = std::make_shared<const api::Service>(*one);
    }
  }
  return {store, "default", false};
}

constexpr char kObjects[] = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: game}
data: {lives: "3", LIVES: "4", odd.key: x}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: s3cr3t, lives: "9"}
)";

Result<ResolvedEnv> resolve(const api::Pod& pod, const PodObjects& objects = folderOf(kObjects)) {
  return resolveEnv(pod, pod.spec.containers.at(0), kFacts, objects);
}

std::string render(const Result<ResolvedEnv>& resolved) {
  if (!resolved) return "error " + resolved.error().text;
  std::string text;
  for (const auto& [name, value] : resolved->env) text += (text.empty() ? "" : " ") + name + "=" + value;
  return text;
}

std::string valueOf(const std::string& source) {
  const api::Pod pod = podWithEnv("    - {name: X, valueFrom: {" + source + "}}\n");
  const auto resolved = resolve(pod);
  if (!resolved) return "error " + resolved.error().text;
  return resolved->env.empty() ? "unset" : resolved->env.at(0).second;
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
  EXPECT_EQ(render(resolve(pod)), "A=one B=one-$(C)-$(A) C=three");
}

TEST(ResolveEnv, TakesKeysOfConfigMapsAndSecrets) {
  const std::pair<const char*, const char*> cases[] = {
      {"configMapKeyRef: {name: game, key: lives}", "3"},
      {"secretKeyRef: {name: db, key: password}", "s3cr3t"},
      {"configMapKeyRef: {name: game, key: none}", "error couldn't find key none in ConfigMap default/game"},
      {"secretKeyRef: {name: db, key: none}", "error couldn't find key none in Secret default/db"},
      {"configMapKeyRef: {name: none, key: k}", "error configmap \"none\" not found"},
      {"secretKeyRef: {name: none, key: k}", "error secret \"none\" not found"},
      {"configMapKeyRef: {name: none, key: k, optional: true}", "unset"},
      {"configMapKeyRef: {name: game, key: none, optional: true}", "unset"},
      {"secretKeyRef: {name: none, key: k, optional: true}", "unset"},
  };
  for (const auto& [source, value] : cases) EXPECT_EQ(valueOf(source), value) << source;
}

TEST(ResolveEnv, TakesWholeObjectsFirstAndLaterOnesWin) {
  api::Pod pod = podWithEnv("    - {name: LIVES, value: 'own $(p_lives)'}\n");
  pod.spec.containers[0].env_from = {{"", api::EnvSourceRef{"game", {}}, {}},
                                     {"p_", {}, api::EnvSourceRef{"db", {}}},
                                     {"", {}, api::EnvSourceRef{"db", {}}},
                                     {"", api::EnvSourceRef{"none", true}, {}}};
  EXPECT_EQ(render(resolve(pod)),
            "LIVES=own 9 lives=9 odd.key=x p_lives=9 p_password=s3cr3t password=s3cr3t");
  pod.spec.containers[0].env_from.push_back({"", api::EnvSourceRef{"none", {}}, {}});
  EXPECT_EQ(render(resolve(pod)), "error configmap \"none\" not found");
}

TEST(ResolveEnv, SkipsKeysThatAreNoVariableNamesAndSaysSo) {
  api::Pod pod = podWithEnv("    - {name: A, value: one}\n");
  pod.spec.containers[0].env_from = {{"a=", api::EnvSourceRef{"game", {}}, {}}};
  const auto resolved = resolve(pod);
  EXPECT_EQ(render(resolved), "A=one");
  ASSERT_EQ(resolved->notes.size(), 1u);
  EXPECT_EQ(resolved->notes[0].reason, "InvalidEnvironmentVariableNames");
  EXPECT_EQ(
      resolved->notes[0].message,
      "Keys [a=LIVES, a=lives, a=odd.key] from the EnvFrom configMap default/game were skipped since they "
      "are considered invalid environment variable names.");
}

constexpr char kServices[] = R"(
apiVersion: v1
kind: Service
metadata: {name: kubernetes}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web2, namespace: other}
spec: {clusterIP: 10.96.0.8, ports: [{port: 80}]}
)";

TEST(ResolveEnv, AddsServicesThatNothingElseSets) {
  api::Pod pod = podWithEnv("    - {name: WEB_PORT, value: 'mine, $(WEB_SERVICE_HOST)'}\n");
  const auto all = resolve(pod, folderOf(kServices));
  const std::string text = render(all);
  EXPECT_EQ(text.rfind("WEB_PORT=mine, 10.96.0.7 KUBERNETES_PORT=tcp://10.96.0.1:443 ", 0), 0u) << text;
  EXPECT_NE(text.find("WEB_SERVICE_PORT=80"), std::string::npos);
  EXPECT_EQ(text.find("WEB2"), std::string::npos);
  pod.spec.enable_service_links = false;
  const std::string less = render(resolve(pod, folderOf(kServices)));
  EXPECT_NE(less.find("KUBERNETES_SERVICE_HOST=10.96.0.1"), std::string::npos);
  EXPECT_EQ(less.find("WEB_SERVICE_PORT"), std::string::npos);
}

TEST(ResolveEnv, WaitsForWhatIsNotKnownYet) {
  auto store = std::make_shared<ObjectStore>();
  auto cluster = std::make_shared<ClusterObjects>();
  store->cluster = cluster;
  const PodObjects objects(store, "default", true);
  const api::Pod pod =
      podWithEnv("    - {name: X, valueFrom: {configMapKeyRef: {name: game, key: lives}}}\n");
  EXPECT_EQ(resolve(pod, objects).error().code, Code::kUnavailable);  // services
  cluster->services = std::make_shared<const ObjectMap<api::Service>>();
  EXPECT_EQ(resolve(pod, objects).error().text,
            "failed to sync configmap cache: timed out waiting for the condition");
  cluster->config_maps["default/game"] = nullptr;
  EXPECT_EQ(resolve(pod, objects).error().text, "configmap \"game\" not found");
}

TEST(ResolveEnv, RefusesWhatNoProcessCanBeGiven) {
  EXPECT_EQ(valueOf("fileKeyRef: {volumeName: v, path: p, key: k}"),
            "error env X: valueFrom.fileKeyRef is not served by this node");
  api::Secret secret;
  secret.metadata.name = "raw";
  secret.data["k"] = std::string("a\0b", 3);
  auto store = std::make_shared<ObjectStore>();
  store->secrets["default/raw"] = std::make_shared<const api::Secret>(secret);
  const api::Pod pod = podWithEnv("    - {name: X, valueFrom: {secretKeyRef: {name: raw, key: k}}}\n");
  EXPECT_EQ(resolve(pod, {store, "default", false}).error().text,
            "environment variable X contains a NUL byte");
}

}  // namespace
}  // namespace keelson::kubelet
