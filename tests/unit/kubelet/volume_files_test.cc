#include "kubelet/volume_files.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

const DownwardFacts kFacts{{"192.0.2.1"}, {"10.244.0.2"}, Millicpu{4000}, Bytes{8 << 20}};

// A pod with one volume, and objects of the API server that are known.
struct VolumeWorld {
  api::Pod pod;
  std::shared_ptr<ClusterObjects> cluster = std::make_shared<ClusterObjects>();
  Tokens tokens;
  bool standalone = false;

  explicit VolumeWorld(const std::string& volume, const std::string& spec = "") {
    pod = podFrom(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: shop, tier: back}, annotations: "
        "{note: 'a\"b'}}\nspec:\n" +
        spec +
        "  serviceAccountName: robot\n  containers:\n"
        "  - {name: web, image: nginx, resources: {limits: {cpu: 1500m}}, "
        "volumeMounts: [{name: v, mountPath: /v}]}\n  volumes:\n  - {name: v, " +
        volume + "}\n");
    api::ConfigMap game;
    game.data = {{"lives", "3"}, {"ui.properties", "color=good\n"}};
    game.binary_data = {{"icon", std::string("\0\1", 2)}};
    cluster->config_maps["default/game"] = std::make_shared<const api::ConfigMap>(game);
    cluster->config_maps["default/none"] = nullptr;
    api::Secret db;
    db.data = {{"password", "s3cr3t"}};
    cluster->secrets["default/db"] = std::make_shared<const api::Secret>(db);
    cluster->secrets["default/none"] = nullptr;
  }

  Result<VolumeFiles> build() const {
    auto store = std::make_shared<ObjectStore>();
    if (!standalone) store->cluster = cluster;
    const PodObjects objects(store, "default", !standalone);
    return buildVolumeFiles({pod, objects, tokens, kFacts}, pod.spec.volumes.at(0));
  }
  // "path mode [owner] bytes" a line.
  std::string text() const {
    const auto files = build();
    if (!files) return "error " + files.error().text;
    std::string out;
    for (const auto& [path, file] : *files) {
      out += fmt::format("{} {:o}{} {}\n", path, file.mode,
                         file.owner ? " uid " + std::to_string(*file.owner) : "", file.bytes);
    }
    return out;
  }
};

TEST(VolumeFiles, OfAConfigMapAreItsKeys) {
  EXPECT_EQ(VolumeWorld("configMap: {name: game}").text(),
            std::string("icon 644 \0\1\n", 12) + "lives 644 3\nui.properties 644 color=good\n\n");
  EXPECT_EQ(VolumeWorld("configMap: {name: game, defaultMode: 0400, items: [{key: lives, path: a/b}, "
                        "{key: ui.properties, path: ui, mode: 0755}]}")
                .text(),
            "a/b 400 3\nui 755 color=good\n\n");
}

TEST(VolumeFiles, NamesWhatIsMissing) {
  const std::pair<const char*, const char*> cases[] = {
      {"configMap: {name: none}", "error configmap \"none\" not found"},
      {"configMap: {name: none, optional: true}", ""},
      {"configMap: {name: game, items: [{key: gone, path: p}]}",
       "error configmap references non-existent config key: gone"},
      {"configMap: {name: game, optional: true, items: [{key: gone, path: p}, {key: lives, path: l}]}",
       "l 644 3\n"},
      {"secret: {secretName: none}", "error secret \"none\" not found"},
      {"secret: {secretName: none, optional: true}", ""},
      {"secret: {secretName: db, items: [{key: gone, path: p}]}",
       "error references non-existent secret key: gone"},
      {"secret: {secretName: db, defaultMode: 0400}", "password 400 s3cr3t\n"},
      {"projected: {sources: [{configMap: {name: none}}, {secret: {name: none}}]}",
       "error [configmap \"none\" not found, secret \"none\" not found]"},
  };
  for (const auto& [volume, want] : cases) EXPECT_EQ(VolumeWorld(volume).text(), want) << volume;
}

TEST(VolumeFiles, WaitForObjectsThatAreNotKnown) {
  const auto files = VolumeWorld("configMap: {name: unheard, optional: true}").build();
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Code::kUnavailable);
  EXPECT_EQ(VolumeWorld("projected: {sources: [{configMap: {name: unheard}}, {secret: {name: none}}]}")
                .build()
                .error()
                .code,
            Code::kNotFound);
}

TEST(VolumeFiles, OfTheDownwardApi) {
  EXPECT_EQ(
      VolumeWorld("downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, "
                  "{path: notes, fieldRef: {fieldPath: metadata.annotations}}, "
                  "{path: name, mode: 0400, fieldRef: {fieldPath: metadata.name}}, "
                  "{path: cpu, resourceFieldRef: {containerName: web, resource: limits.cpu, divisor: 1m}}]}")
          .text(),
      "cpu 644 1500\nlabels 644 app=\"shop\"\ntier=\"back\"\nname 400 web\nnotes 644 note=\"a\\\"b\"\n");
}

constexpr char kApiAccess[] =
    "projected: {defaultMode: 0644, sources: [{serviceAccountToken: {expirationSeconds: 3607, path: token}}, "
    "{configMap: {name: game, items: [{key: lives, path: ca.crt}]}}, "
    "{downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}}]}";

TEST(VolumeFiles, OfTheUsualServiceAccountVolume) {
  VolumeWorld world(kApiAccess);
  EXPECT_EQ(world.build().error().code, Code::kUnavailable);
  const auto keys = tokenKeys(world.pod, world.pod.spec.volumes[0]);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0], (TokenKey{"default", "robot", "web", PodUid("uid-1"), "", 3607}));
  world.tokens.emplace(keys[0], std::make_shared<const Token>(Token{"eyJ", kNow}));
  EXPECT_EQ(world.text(), "ca.crt 644 3\nnamespace 644 default\ntoken 644 eyJ\n");
  world.tokens.clear();
  world.tokens.emplace(keys[0], makeError(Code::kPermissionDenied, "failed to fetch token: no"));
  EXPECT_EQ(world.text(), "error failed to fetch token: no");
}

TEST(VolumeFiles, TokensAreForTheUserOrTheGroupOnly) {
  const std::pair<const char*, const char*> cases[] = {
      {"  securityContext: {runAsUser: 7}\n", "token 600 uid 7 eyJ\n"},
      {"  securityContext: {fsGroup: 9}\n", "token 640 eyJ\n"},
      {"  securityContext: {runAsUser: 7, fsGroup: 9}\n", "token 640 uid 7 eyJ\n"},
      {"", "token 644 eyJ\n"},
  };
  for (const auto& [spec, want] : cases) {
    VolumeWorld world("projected: {sources: [{serviceAccountToken: {path: token}}]}", spec);
    const auto keys = tokenKeys(world.pod, world.pod.spec.volumes[0]);
    world.tokens.emplace(keys.at(0), std::make_shared<const Token>(Token{"eyJ", kNow}));
    EXPECT_EQ(world.text(), want) << spec;
  }
}

TEST(VolumeFiles, AnFsGroupMayRead) {
  EXPECT_EQ(
      VolumeWorld("secret: {secretName: db, defaultMode: 0400}", "  securityContext: {fsGroup: 9}\n").text(),
      "password 440 s3cr3t\n");
}

TEST(VolumeFiles, WithoutAnApiServerThereIsNoToken) {
  VolumeWorld world("projected: {sources: [{serviceAccountToken: {path: token}}]}");
  world.standalone = true;
  EXPECT_EQ(
      world.text(),
      "error failed to fetch token: this node has no API server that could issue a service account token");
}

TEST(VolumeFiles, HaveALimit) {
  VolumeWorld world("projected: {sources: []}");
  api::ConfigMap large;
  large.data = {{"k", std::string(size_t{1} << 20, 'x')}};
  world.cluster->config_maps["default/large"] = std::make_shared<const api::ConfigMap>(large);
  for (int i = 0; i < 40; ++i) {
    api::VolumeProjection source;
    source.config_map = api::ObjectProjection{"large", {{"k", "file" + std::to_string(i), {}}}, {}};
    world.pod.spec.volumes[0].projected->sources.push_back(source);
  }
  EXPECT_EQ(world.build().error().code, Code::kResourceExhausted);
}

TEST(CommonUser, IsTheOneOfAllContainers) {
  api::Pod pod = onePod();
  EXPECT_EQ(commonUser(pod), std::nullopt);
  pod.spec.security_context.run_as_user = 5;
  EXPECT_EQ(commonUser(pod), 5);
  pod.spec.init_containers.push_back(pod.spec.containers[0]);
  pod.spec.init_containers[0].security_context.emplace().run_as_user = 6;
  EXPECT_EQ(commonUser(pod), std::nullopt);
}

}  // namespace
}  // namespace keelson::kubelet
