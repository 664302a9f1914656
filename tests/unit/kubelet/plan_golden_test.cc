// The plans of the examples, from the manifest to the steady state and to the end, as text.
// KEELSON_UPDATE_GOLDEN=1 rewrites the files; the difference is reviewed.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kubelet/static_pod.h"
#include "tests/paths.h"
#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = test::sourcePath("tests/golden/kubelet");

std::string readText(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool isInit(const api::Pod& pod, const std::string& name) {
  return std::any_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(),
                     [&](const auto& container) {
                       return container.name == name && initKind(container) == ContainerKind::kInit;
                     });
}

// Every running init container has done its work, every container that was told to stop has stopped.
bool endWhatMayEnd(PodWorld& world) {
  bool any = false;
  for (const auto& seen : world.observed.runtime.containers) {
    if (!seen.running) continue;
    const auto& known = world.record.containers[seen.name];
    const bool told = known.current && known.current->kill_at;
    if (!told && !isInit(world.pod, seen.name)) continue;
    world.end(seen.name, told ? 143 : 0);
    any = true;
  }
  return any;
}

// Looks, acts, looks again, until nothing is left to do.
std::string settle(PodWorld& world) {
  std::string text;
  for (int round = 0; round < 40; ++round) {
    const Plan plan = world.plan();
    text += "- look\n" + renderPlan(plan, world.now);
    world.apply(plan);
    const bool released = std::any_of(plan.actions.begin(), plan.actions.end(), [](const Action& action) {
      return std::holds_alternative<ReleasePod>(action);
    });
    if (released) return text;
    if (plan.actions.empty() && !endWhatMayEnd(world)) break;
  }
  return text + "phase: " + world.status().phase + "\n";
}

std::string lifeOf(const api::Pod& pod) {
  PodWorld world(pod);
  std::string text = "# " + api::podFullName(pod) + "\n## start\n" + settle(world);
  for (const auto& container : pod.spec.containers) world.end(container.name, 0);
  text += "## all containers exit 0\n" + settle(world);
  world.fold().remove();
  return text + "## deletion\n" + settle(world);
}

class GoldenPlan : public testing::TestWithParam<std::string> {};

TEST_P(GoldenPlan, IsAsReviewed) {
  const fs::path manifest = kFolder / (GetParam() + ".yaml");
  const auto content =
      readManifest(readText(manifest), "node1", "/etc/kubernetes/manifests/" + GetParam() + ".yaml", kNow);
  ASSERT_TRUE(content) << content.error().text;
  std::string text;
  for (const auto& pod : content->pods) text += lifeOf(*pod.pod);
  const fs::path golden = kFolder / (GetParam() + ".plan.txt");
  if (std::getenv("KEELSON_UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << text;
  EXPECT_EQ(text, readText(golden));
}

std::vector<std::string> manifests() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Examples, GoldenPlan, testing::ValuesIn(manifests()), [](const auto& one) {
  std::string name = one.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

}  // namespace
}  // namespace keelson::kubelet
