#include <sys/stat.h>

#include <sstream>

#include "tests/component/kubelet/kubelet_fixture.h"

namespace keelson::kubelet {
namespace {

struct ObjectVolumes : KubeletFixture {
  static std::string objects(const std::string& lives, const std::string& password) {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {lives: \"" + lives +
           "\"}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: " +
           password + "}\n";
  }
  static std::string pod() {
    return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: shop}}\nspec:\n  containers:\n"
           "  - name: web\n    image: nginx:1\n    command: [serve, $(LIVES)]\n    env:\n"
           "    - {name: LIVES, valueFrom: {configMapKeyRef: {name: game, key: lives}}}\n"
           "    volumeMounts:\n    - {name: config, mountPath: /config}\n"
           "    - {name: secret, mountPath: /secret}\n    - {name: labels, mountPath: /labels}\n"
           "    - {name: config, mountPath: /etc/lives, subPath: lives}\n  volumes:\n"
           "  - {name: config, configMap: {name: game}}\n"
           "  - {name: secret, secret: {secretName: db, defaultMode: 0400}}\n"
           "  - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: "
           "metadata.labels}}]}}\n";
  }
  std::string file(const std::string& path) const {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return in ? text.str() : "absent";
  }
  std::string disk(const std::string& path) const {
    return file(temp / ("root/pods/" + uid("web").str() + "/volumes/" + path));
  }
  std::string memory(const std::string& path) const {
    return file(temp / ("tmpfs/" + uid("web").str() + "/" + path));
  }
};

TEST_F(ObjectVolumes, ReachTheContainerReadOnlyAndFollowTheirObjects) {
  write("objects.yaml", objects("3", "s3cr3t"));
  write("web.yaml", pod());
  start();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(disk("kubernetes.io~configmap/config/lives"), "3");
  EXPECT_EQ(disk("kubernetes.io~downward-api/labels/labels"), "app=\"shop\"");
  EXPECT_EQ(memory("secret/password"), "s3cr3t");
  const auto seen = runtime.pod(uid("web"));
  const auto& plan = seen->containers.at(0).plan;
  EXPECT_EQ(plan.process.args.at(1), "3");
  size_t mounts = 0;
  for (const auto& mount : plan.mounts) {
    if (mount.target.rfind("/etc/", 0) == 0 && mount.target != "/etc/lives") continue;
    if (mount.target == "/dev/termination-log") continue;
    ++mounts;
    EXPECT_TRUE(mount.read_only) << mount.target;
    EXPECT_EQ(mount.is_directory, mount.target != "/etc/lives") << mount.target;
    EXPECT_EQ(mount.source == runtime::MountSource::kPodTmpfs, mount.target == "/secret") << mount.target;
  }
  EXPECT_EQ(mounts, 4u);

  write("objects.yaml", objects("4", "changed"));
  ASSERT_TRUE(runUntil("the files change", [&] {
    return disk("kubernetes.io~configmap/config/lives") == "4" && memory("secret/password") == "changed";
  }));
  EXPECT_TRUE(runs("web"));
}

TEST_F(ObjectVolumes, KeepTheirFilesWhenTheirObjectGoes) {
  write("objects.yaml", objects("3", "s3cr3t"));
  write("web.yaml", pod());
  start();
  ASSERT_TRUE(untilRunning("web"));
  remove("objects.yaml");
  ASSERT_TRUE(runUntil("an event tells", [&] {
    return hasEvent("web", "FailedMount",
                    "MountVolume.SetUp failed for volume \"config\" : configmap \"game\" not found");
  }));
  restart();
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(disk("kubernetes.io~configmap/config/lives"), "3");
  EXPECT_EQ(memory("secret/password"), "s3cr3t");
}

TEST_F(ObjectVolumes, AnAbsentKeyHoldsTheContainerUntilItComes) {
  const std::string half = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {other: x}\n";
  write("objects.yaml", half + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\n");
  write("web.yaml", pod());
  start();
  ASSERT_TRUE(
      runUntil("the container waits", [&] { return waitingReason("web") == "CreateContainerConfigError"; }));
  EXPECT_TRUE(hasEvent("web", "Failed", "Error: couldn't find key lives in ConfigMap default/game"));
  write("objects.yaml", objects("3", "s3cr3t"));
  ASSERT_TRUE(untilRunning("web"));  // the clock stands still: no retry by time
}

TEST_F(ObjectVolumes, AnAbsentItemHoldsThePodUntilItComes) {
  write("objects.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {other: x}\n");
  write("web.yaml",
        podText("web", "  volumes: [{name: v, configMap: {name: game, items: [{key: k, path: p}]}}]\n",
                "image: 'nginx:1', command: [serve], volumeMounts: [{name: v, mountPath: /v}]"));
  write("other.yaml", podText("other"));
  start();
  ASSERT_TRUE(runUntil("an event tells", [&] {
    return hasEvent("web", "FailedMount",
                    "MountVolume.SetUp failed for volume \"v\" : configmap references non-existent config "
                    "key: k");
  }));
  ASSERT_TRUE(untilRunning("other"));
  write("objects.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {k: x}\n");
  ASSERT_TRUE(untilRunning("web"));
  EXPECT_EQ(disk("kubernetes.io~configmap/v/p"), "x");
}

TEST_F(ObjectVolumes, AreRemovedWithTheirPod) {
  write("objects.yaml", objects("3", "s3cr3t"));
  write("web.yaml", pod());
  start();
  ASSERT_TRUE(untilRunning("web"));
  remove("web.yaml");
  ASSERT_TRUE(runUntil("web is gone", [&] { return !view("web"); }));
  EXPECT_EQ(leftovers(), "");
}

}  // namespace
}  // namespace keelson::kubelet
