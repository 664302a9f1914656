#include "kubelet/manifest_folder.h"

#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_dir.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

std::string podText(const std::string& name, const std::string& image = "nginx",
                    const std::string& more = "") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + more +
         "}\nspec:\n  containers:\n  - {name: web, image: '" + image + "'}\n";
}

struct Folder : testing::Test {
  TempDir temp;
  ManifestFolder folder{temp.path(), "node1"};
  std::shared_ptr<const ManifestSnapshot> last;

  void write(const std::string& name, const std::string& text) { std::ofstream(temp / name) << text; }
  // The names of the pods after a look at the folder; changed files are complete unless `complete` says
  // which.
  std::string scan(std::optional<std::set<std::string>> complete = std::nullopt) {
    if (!complete) {
      complete.emplace();
      for (const auto& entry : fs::directory_iterator(temp.path())) complete->insert(entry.path().filename());
    }
    auto result = folder.scan(*complete, kNow);
    if (!result) return "error " + result.error().text;
    last = *result;
    std::string names;
    for (const auto& entry : last->pods) names += entry.pod->metadata.name + " ";
    return names;
  }
  std::string errorOf(const std::string& name) const {
    for (const auto& view : last->views) {
      if (view.file == temp / name) return view.error;
    }
    return "no view";
  }
};

TEST_F(Folder, ReadsEveryFileButHiddenOnesAndFolders) {
  write("a.yaml", podText("a"));
  write(
      "b.json",
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
  write(".hidden.yaml", podText("h"));
  fs::create_directories(temp / "sub");
  EXPECT_EQ(scan(), "a-node1 b-node1 ");
  EXPECT_EQ(last->views.size(), 2u);
  EXPECT_EQ(last->views[0].objects, std::vector<std::string>{"Pod default/a-node1"});
}

TEST_F(Folder, AnUnchangedFileGivesTheSameValue) {
  write("a.yaml", podText("a"));
  scan();
  const auto first = last->pods[0].pod;
  scan();
  EXPECT_EQ(last->pods[0].pod, first);
  write("a.yaml", "# only a comment\n" + podText("a"));
  scan();
  EXPECT_EQ(last->pods[0].pod, first);
}

TEST_F(Folder, AChangedFileIsAnotherPodAndARemovedOneIsNone) {
  write("a.yaml", podText("a"));
  scan();
  const std::string uid = last->pods[0].pod->metadata.uid;
  write("a.yaml", podText("a", "httpd"));
  EXPECT_EQ(scan(), "a-node1 ");
  EXPECT_NE(last->pods[0].pod->metadata.uid, uid);
  fs::remove(temp / "a.yaml");
  EXPECT_EQ(scan(), "");
}

TEST_F(Folder, ABrokenFileKeepsItsLastGoodVersionAndNoOtherFileSuffers) {
  write("a.yaml", podText("a"));
  write("b.yaml", podText("b"));
  scan();
  const auto good = last->pods[0].pod;
  write("a.yaml", "kind: [");
  EXPECT_EQ(scan(), "a-node1 b-node1 ");
  EXPECT_EQ(last->pods[0].pod, good);
  EXPECT_NE(errorOf("a.yaml"), "");
  EXPECT_EQ(errorOf("b.yaml"), "");
  write("a.yaml", "");
  EXPECT_EQ(scan(), "a-node1 b-node1 ");
  write("a.yaml", podText("a"));
  scan();
  EXPECT_EQ(errorOf("a.yaml"), "");
}

TEST_F(Folder, AHalfWrittenFileIsNotTakenForAWholeOne) {
  write("a.yaml", podText("a"));
  scan();
  write("a.yaml", podText("a", "http"));  // its writer is not done
  EXPECT_EQ(scan(std::set<std::string>{}), "a-node1 ");
  EXPECT_EQ(last->pods[0].pod->spec.containers[0].image, "nginx");
  EXPECT_TRUE(last->unsettled);
  EXPECT_EQ(scan(std::set<std::string>{}), "a-node1 ");  // unchanged since: nobody writes any more
  EXPECT_EQ(last->pods[0].pod->spec.containers[0].image, "http");
  EXPECT_FALSE(last->unsettled);
}

TEST_F(Folder, TheSecondPodOfANameIsRefused) {
  write("b.yaml", podText("a"));
  scan();
  write("a.yaml", podText("a", "httpd"));  // sorts first, but the other one is in use
  EXPECT_EQ(scan(), "a-node1 ");
  EXPECT_EQ(last->pods[0].file, temp / "b.yaml");
  EXPECT_EQ(errorOf("a.yaml"),
            "Pod default/a-node1: FailedValidation: pod name conflicts with one in " + (temp / "b.yaml"));
  fs::remove(temp / "b.yaml");
  EXPECT_EQ(scan(), "a-node1 ");
  EXPECT_EQ(errorOf("a.yaml"), "");
}

TEST_F(Folder, RefusesReferencesToObjectsThatAreNotHere) {
  std::string text =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: web\n    image: "
      "nginx\n"
      "    env: [{name: X, valueFrom: {configMapKeyRef: {name: game, key: k}}}]\n";
  write("a.yaml", text);
  EXPECT_EQ(scan(), "");
  EXPECT_EQ(errorOf("a.yaml"),
            "Pod default/a-node1: refers to ConfigMap default/game, which is not in the manifest folder");
  write("game.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: game}\ndata: {k: v}\n");
  EXPECT_EQ(scan(), "a-node1 ");
  EXPECT_EQ(last->objects->config_maps.at("default/game")->data.at("k"), "v");
  // A pod that runs is not deleted because somebody removed what it was started with.
  fs::remove(temp / "game.yaml");
  EXPECT_EQ(scan(), "a-node1 ");
}

TEST_F(Folder, OnlyImagesChangeUnderAGivenUid) {
  write("a.yaml", podText("a", "nginx", ", uid: fixed"));
  scan();
  write("a.yaml", podText("a", "httpd", ", uid: fixed"));
  scan();
  EXPECT_EQ(last->pods[0].pod->spec.containers[0].image, "httpd");
  write("a.yaml", podText("a", "httpd", ", uid: fixed, labels: {x: z}"));
  scan();
  EXPECT_EQ(errorOf("a.yaml"), "Pod default/a-node1: only images can change while metadata.uid stays fixed");
  EXPECT_TRUE(last->pods[0].pod->metadata.labels.empty());
}

TEST_F(Folder, AMissingFolderIsAnErrorAndForgetsNothing) {
  write("a.yaml", podText("a"));
  scan();
  fs::rename(temp.path(), temp.path() + ".away");
  EXPECT_EQ(folder.scan({}, kNow).error().code, Code::kNotFound);
  fs::rename(temp.path() + ".away", temp.path());
  EXPECT_EQ(scan(), "a-node1 ");
}

TEST_F(Folder, MayBeASingleFile) {
  write("a.yaml", podText("a"));
  ManifestFolder single(temp / "a.yaml", "node1");
  const auto snapshot = single.scan({}, kNow);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ((*snapshot)->pods.at(0).file, temp / "a.yaml");
}

}  // namespace
}  // namespace keelson::kubelet
