#include "kubelet/object_store.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

template <class T>
std::shared_ptr<const T> named(const std::string& name) {
  T one;
  one.metadata.name = name;
  return std::make_shared<const T>(std::move(one));
}

std::vector<std::string> names(const std::vector<std::shared_ptr<const api::Service>>& services) {
  std::vector<std::string> found;
  for (const auto& service : services) found.push_back(service->metadata.name);
  return found;
}

struct Stores {
  std::shared_ptr<ObjectStore> store = std::make_shared<ObjectStore>();
  std::shared_ptr<ClusterObjects> cluster = std::make_shared<ClusterObjects>();
  Stores() {
    store->config_maps["default/folder"] = named<api::ConfigMap>("folder");
    store->services["default/own"] = named<api::Service>("own");
    cluster->config_maps["default/game"] = named<api::ConfigMap>("game");
    cluster->config_maps["default/gone"] = nullptr;
    cluster->services = std::make_shared<const ObjectMap<api::Service>>(ObjectMap<api::Service>{
        {"default/web", named<api::Service>("web")}, {"default2/no", named<api::Service>("no")}});
  }
};

TEST(PodObjects, OfTheApiServerAreUnknownAbsentOrPresent) {
  Stores stores;
  EXPECT_EQ(PodObjects(stores.store, "default", true).configMap("game").knowledge, Knowledge::kUnknown);
  EXPECT_FALSE(PodObjects(stores.store, "default", true).servicesKnown());
  stores.store->cluster = stores.cluster;
  const PodObjects objects(stores.store, "default", true);
  EXPECT_EQ(objects.configMap("game").knowledge, Knowledge::kPresent);
  EXPECT_EQ(objects.configMap("gone").knowledge, Knowledge::kAbsent);
  EXPECT_EQ(objects.configMap("unheard").knowledge, Knowledge::kUnknown);
  EXPECT_EQ(objects.configMap("folder").knowledge, Knowledge::kUnknown);  // the folder is not its world
  EXPECT_EQ(objects.runtimeClass("any").knowledge, Knowledge::kUnknown);
  EXPECT_EQ(names(objects.services("default")), std::vector<std::string>{"web"});
}

TEST(PodObjects, OfTheFolderAreThereOrAbsent) {
  Stores stores;
  stores.store->cluster = stores.cluster;
  const PodObjects objects(stores.store, "default", false);
  EXPECT_EQ(objects.configMap("folder").knowledge, Knowledge::kPresent);
  EXPECT_EQ(objects.configMap("game").knowledge, Knowledge::kAbsent);
  EXPECT_TRUE(objects.servicesKnown());
  EXPECT_EQ(names(objects.services("default")), (std::vector<std::string>{"own", "web"}));
}

TEST(ObjectsSeenTest, TellsChangesOfWhatThePodNamesOnly) {
  Stores stores;
  stores.store->cluster = stores.cluster;
  const ObjectReferences references{{"game"}, {"db"}, ""};
  const auto look = [&] { return ObjectsSeen(PodObjects(stores.store, "default", true), references); };
  const ObjectsSeen before = look();
  stores.cluster->config_maps["default/other"] = named<api::ConfigMap>("other");
  stores.cluster->config_maps["default/game"] = named<api::ConfigMap>("game");  // read again
  EXPECT_TRUE(look() == before);
  stores.cluster->secrets["default/db"] = nullptr;
  EXPECT_FALSE(look() == before);
}

TEST(ObjectReferencesOf, APodAreAllThatItNames) {
  const api::Pod pod = podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  imagePullSecrets: [{name: pull}]
  runtimeClassName: fast
  containers:
  - name: web
    image: nginx
    envFrom: [{configMapRef: {name: a, optional: true}}, {secretRef: {name: b}}]
    env:
    - {name: X, valueFrom: {configMapKeyRef: {name: c, key: k}}}
    - {name: Z, valueFrom: {secretKeyRef: {name: d, key: k}}}
  volumes:
  - {name: e, configMap: {name: e}}
  - {name: f, secret: {secretName: f}}
  - {name: g, projected: {sources: [{configMap: {name: g}}, {secret: {name: h}}]}}
)");
  const ObjectReferences want{{"a", "c", "e", "g"}, {"b", "d", "f", "h", "pull"}, "fast"};
  EXPECT_EQ(objectReferences(pod), want);
}

}  // namespace
}  // namespace keelson::kubelet
