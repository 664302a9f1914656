// What the store keeps, gives up and finds again.
#include <gtest/gtest.h>

#include <fcntl.h>

#include <fstream>

#include "tests/component/runtime/images/temp_store.h"
#include "tests/fakes/test_image.h"

namespace keelson::runtime {
namespace {

using fakes::LayerTar;
using fakes::makeImage;
using fakes::TestImage;

class Store : public fakes::TempStore {
 protected:
  const std::string base_ = LayerTar().file("base", "base").bytes();
  const TestImage one_ = makeImage({base_, LayerTar().file("one", "1").bytes()});
  const TestImage two_ = makeImage({base_, LayerTar().file("two", "2").bytes()});

  void SetUp() override {
    auto& hub = http_.hosts["registry-1.docker.io"];
    one_.pushTo(hub, "library/one", "1");
    two_.pushTo(hub, "library/two", "1");
  }
  std::shared_ptr<const Image> pulled(const std::string& name) {
    auto image = pull(name);
    EXPECT_TRUE(image.ok()) << (image.ok() ? "" : image.error().text);
    return image.ok() ? *image : nullptr;
  }
  std::string onlyFileIn(const std::string& folder) const {
    for (const auto& entry : std::filesystem::directory_iterator(root_ + "/" + folder)) return entry.path();
    return "";
  }
};

TEST_F(Store, RemovingAnImageKeepsTheLayersOfOthers) {
  pulled("one:1");
  pulled("two:1");
  EXPECT_EQ(filesIn("layers"), 3u);
  ASSERT_TRUE(service().remove("one:1").ok());
  EXPECT_EQ(*service().find("one:1"), nullptr);
  EXPECT_EQ(filesIn("layers"), 2u);
  EXPECT_EQ(fileOf(**service().find("two:1"), "base"), "base");
  ASSERT_TRUE(service().remove("two:1").ok());
  EXPECT_EQ(filesIn("layers"), 0u);
  EXPECT_EQ(filesIn("blobs/sha256"), 0u);
  EXPECT_EQ(filesIn("images"), 0u);
  expectTidy();
  EXPECT_EQ(service().remove("one:1").error().code, Code::kNotFound);
}

TEST_F(Store, AnImageGoesWithItsLastName) {
  auto& hub = http_.hosts["registry-1.docker.io"];
  one_.pushTo(hub, "library/one", "2");
  one_.pushTo(hub, "team/one", "1");
  pulled("one:1");
  pulled("one:2");
  const auto image = pulled("team/one:1");
  EXPECT_EQ(image->repo_tags.size(), 3u);
  EXPECT_EQ(image->repo_digests.size(), 2u);
  ASSERT_TRUE(service().remove("one:1").ok());
  ASSERT_TRUE(service().remove("one:2").ok());
  const auto left = *service().find("team/one:1");
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(left->repo_digests, std::vector<std::string>{"docker.io/team/one@" + one_.manifest_digest});
  restart();
  ASSERT_NE(*service().find("team/one:1"), nullptr);
  ASSERT_TRUE(service().remove("team/one@" + one_.manifest_digest).ok());
  ASSERT_NE(*service().find("team/one:1"), nullptr);
  ASSERT_TRUE(service().remove("team/one:1").ok());
  EXPECT_TRUE(service().list().empty());
}

TEST_F(Store, RemovalByIdTakesAllNames) {
  pulled("one:1");
  ASSERT_TRUE(service().remove(one_.config_digest).ok());
  EXPECT_TRUE(service().list().empty());
  EXPECT_EQ(filesIn("layers"), 0u);
}

TEST_F(Store, ALeaseKeepsLayersOfARemovedImage) {
  const auto image = pulled("one:1");
  auto layers = service().openLayers(*image).value();
  ASSERT_EQ(layers.top_first.size(), 2u);
  EXPECT_EQ(layers.top_first[0].readFile("one", 10).value(), "1");
  ASSERT_TRUE(service().remove("one:1").ok());
  EXPECT_EQ(filesIn("layers"), 2u);
  EXPECT_EQ(layers.top_first[1].readFile("base", 10).value(), "base");
  layers = {};
  EXPECT_EQ(filesIn("layers"), 0u);
  EXPECT_EQ(filesIn("leases"), 0u);
  EXPECT_EQ(service().openLayers(*image).error().code, Code::kNotFound);
}

TEST_F(Store, ALeaseOutlivesTheDaemonButNotTheBoot) {
  const auto image = pulled("one:1");
  {
    // A daemon that dies: its lease never ends in memory, so the mark on disk stays.
    auto layers = service().openLayers(*image).value();
    ASSERT_TRUE(service().remove("one:1").ok());
    std::filesystem::create_directories(kept_);
    std::filesystem::copy(root_ + "/leases", kept_ + "/marks");
    std::filesystem::copy(root_ + "/layers", kept_ + "/layers", std::filesystem::copy_options::recursive);
  }
  const auto bringBack = [&] {
    constexpr auto kOver =
        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy(kept_ + "/marks", root_ + "/leases", kOver);
    std::filesystem::copy(kept_ + "/layers", root_ + "/layers", kOver);
  };
  bringBack();
  EXPECT_TRUE(restart().cleanUp().empty());
  EXPECT_EQ(filesIn("layers"), 2u);
  {
    // The runtime found the container and leases again; then only that lease counts.
    const auto again = service().openLayers(*image);
    ASSERT_TRUE(again.ok()) << again.error().text;
    service().dropInheritedLeases();
    EXPECT_EQ(filesIn("layers"), 2u);
  }
  EXPECT_EQ(filesIn("layers"), 0u);

  bringBack();
  restart().dropInheritedLeases();
  EXPECT_EQ(filesIn("layers"), 0u);

  bringBack();
  boot_id_ = "boot-two";
  EXPECT_TRUE(restart().cleanUp().empty());
  EXPECT_EQ(filesIn("layers"), 0u);
  EXPECT_EQ(filesIn("leases"), 0u);
}

TEST_F(Store, CleansUpWhatAnEarlierLifeLeft) {
  pulled("one:1");
  const auto layers = filesIn("layers"), blobs = filesIn("blobs/sha256");
  service_.reset();
  std::ofstream(root_ + "/tmp/blob-123") << "half";
  std::filesystem::create_directories(root_ + "/tmp/layer-9/fs/deep/er");
  std::filesystem::create_directories(root_ + "/trash/77/fs");
  std::ofstream(root_ + "/blobs/sha256/" + std::string(64, 'e')) << "orphan";
  std::ofstream(root_ + "/blobs/sha256/junk") << "junk";
  std::filesystem::create_directories(root_ + "/layers/orphan/fs");
  std::ofstream(root_ + "/layers/orphan/layer.json")
      << R"({"version":1,"chainId":"sha256:)" << std::string(64, 'f') << R"(","diffId":"sha256:)"
      << std::string(64, 'f') << "\"}";
  std::ofstream(root_ + "/images/.x.json.tmp-1") << "{";
  const auto errors = restart().cleanUp();
  EXPECT_TRUE(errors.empty()) << errors.result().error().text;
  expectTidy();
  EXPECT_EQ(filesIn("layers"), layers);
  EXPECT_EQ(filesIn("blobs/sha256"), blobs);
  EXPECT_EQ(filesIn("images"), 1u);
  EXPECT_NE(*service().find("one:1"), nullptr);
}

TEST_F(Store, ABrokenRecordCostsOnlyItsImage) {
  pulled("one:1");
  pulled("two:1");
  service_.reset();
  std::ofstream(root_ + "/images/" + one_.config_digest.substr(7) + ".json", std::ios::trunc)
      << "{\"version\":1";
  auto& service = restart();
  EXPECT_EQ(*service.find("one:1"), nullptr);
  ASSERT_NE(*service.find("two:1"), nullptr);
  const auto errors = service.cleanUp();
  ASSERT_EQ(errors.errors().size(), 1u);
  EXPECT_NE(errors.errors()[0].text.find(one_.config_digest.substr(7)), std::string::npos);
  EXPECT_EQ(filesIn("layers"), 2u);
  EXPECT_TRUE(restart().cleanUp().empty());
  EXPECT_EQ(fileOf(*pulled("one:1"), "one"), "1");
}

TEST_F(Store, AnImageWithoutItsLayerOrBlobIsPulledAgain) {
  for (const std::string folder : {"layers", "blobs/sha256"}) {
    pulled("one:1");
    service_.reset();
    std::filesystem::remove_all(onlyFileIn(folder));
    auto& service = restart();
    EXPECT_EQ(*service.find("one:1"), nullptr) << folder;
    EXPECT_EQ(service.cleanUp().errors().size(), 1u) << folder;
    EXPECT_EQ(fileOf(*pulled("one:1"), "one"), "1") << folder;
  }
}

TEST_F(Store, DeletesOnItsLane) {
  Lane lane("images", 1);
  auto with_lane = options();
  with_lane.lane = &lane;
  service_ = NativeImageService::open(with_lane, http_, realClock()).value();
  pulled("one:1");
  ASSERT_TRUE(service().remove("one:1").ok());
  lane.join();
  expectTidy();
  EXPECT_EQ(filesIn("layers"), 0u);
  service_.reset();
}

TEST_F(Store, NobodyElseMayReachLayersByPath) {
  pulled("one:1");
  EXPECT_EQ(std::filesystem::status(root_).permissions(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace keelson::runtime
