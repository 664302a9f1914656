#include "kubelet/static_pod.h"

#include <algorithm>

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

constexpr char kPod[] =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
    "  - {name: web, image: nginx}\n";

TEST(Fnv128a, IsThePublishedFunction) {
  EXPECT_EQ(fnv128a(""), "6c62272e07bb014262b821756295c58d");
  EXPECT_EQ(fnv128a("a"), "d228cb696f1a8caf78912b704e4a8964");
  EXPECT_EQ(fnv128a("foobar"), "343e1662793c64bf6f0d3597ba446f18");
}

TEST(ReadManifest, CompletesAPodAsKubeletDoes) {
  const auto content = readManifest(kPod, "node1", "/m/web.yaml", kNow);
  ASSERT_TRUE(content) << content.error().text;
  const api::Pod& pod = *content->pods.at(0).pod;
  EXPECT_EQ(pod.metadata.name, "web-node1");
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.spec.node_name, "node1");
  EXPECT_EQ(pod.metadata.annotations.at("kubernetes.io/config.source"), "file");
  EXPECT_EQ(pod.metadata.annotations.at("kubernetes.io/config.hash"), pod.metadata.uid);
  EXPECT_EQ(pod.metadata.annotations.at("kubernetes.io/config.seen"), "2026-01-01T00:00:00.000000000Z");
  const auto tolerates =
      std::any_of(pod.spec.tolerations.begin(), pod.spec.tolerations.end(),
                  [](const auto& one) { return one.operator_ == "Exists" && one.effect == "NoExecute"; });
  EXPECT_TRUE(tolerates);
  EXPECT_EQ(pod.spec.containers[0].image_pull_policy, "Always");
}

// An upgrade of the daemon must not make new pods of old files. If this test fails, the encoder changed what
// it writes for an unchanged manifest: keep the old form for the hash.
TEST(ReadManifest, UidsStayTheSameFromReleaseToRelease) {
  EXPECT_EQ(readManifest(kPod, "node1", "/m/web.yaml", kNow)->pods[0].pod->metadata.uid,
            "9ba749005a3621132c2845d1909d0890");
}

TEST(ReadManifest, TheUidDependsOnContentFileAndNodeOnly) {
  const auto uid = [](const std::string& text, const std::string& node, const std::string& file,
                      WallTime now) {
    return readManifest(text, node, file, now)->pods.at(0).pod->metadata.uid;
  };
  const std::string base = uid(kPod, "node1", "/m/web.yaml", kNow);
  EXPECT_EQ(base.size(), 32u);
  EXPECT_EQ(uid(std::string("# a comment\n") + kPod, "node1", "/m/web.yaml", kNow + hours(1)), base);
  EXPECT_NE(uid(kPod, "node2", "/m/web.yaml", kNow), base);
  EXPECT_NE(uid(kPod, "node1", "/m/other.yaml", kNow), base);
  std::string changed = kPod;
  changed.replace(changed.find("nginx"), 5, "httpd");
  EXPECT_NE(uid(changed, "node1", "/m/web.yaml", kNow), base);
}

TEST(ReadManifest, KeepsAGivenUid) {
  std::string text = kPod;
  text.replace(text.find("{name: web}"), 11, "{name: web, uid: my-uid}");
  const auto content = readManifest(text, "node1", "/m/web.yaml", kNow);
  EXPECT_EQ(content->pods[0].pod->metadata.uid, "my-uid");
  EXPECT_TRUE(content->pods[0].uid_given);
  text.replace(text.find("my-uid"), 6, "../../x");
  EXPECT_FALSE(readManifest(text, "node1", "/m/web.yaml", kNow));
}

TEST(ReadManifest, TakesSeveralDocumentsAndOtherKinds) {
  const auto content = readManifest(
      std::string(kPod) + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {a: b}\n",
      "node1", "/m/web.yaml", kNow);
  ASSERT_TRUE(content) << content.error().text;
  EXPECT_EQ(content->pods.size(), 1u);
  EXPECT_EQ(std::get<api::ConfigMap>(content->others.at(0)).metadata.namespace_, "default");
}

TEST(ReadManifest, NamesWhatIsWrong) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"", "the file holds no object"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: 7}\n", "spec.containers"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {}\n", "spec.containers: Required value"},
      {"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: b}]}\n",
       "metadata.name: Required value"},
      {"a: [", "line"},
  };
  for (const auto& one : cases) {
    const auto content = readManifest(one.text, "node1", "/m/x.yaml", kNow);
    ASSERT_FALSE(content) << one.text;
    EXPECT_NE(content.error().text.find(one.error), std::string::npos) << content.error().text;
  }
}

}  // namespace
}  // namespace keelson::kubelet
