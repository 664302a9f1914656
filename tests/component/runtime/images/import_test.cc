// Archives of images.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <future>

#include "runtime/images/byte_source.h"
#include "runtime/images/manifest.h"
#include "tests/component/runtime/images/temp_store.h"
#include "tests/fakes/test_image.h"

namespace keelson::runtime {
namespace {

using fakes::gzipped;
using fakes::LayerTar;
using fakes::makeImage;
using fakes::TestImage;
using fakes::zstdPacked;

class Import : public fakes::TempStore {
 protected:
  const std::string lower_ = LayerTar().directory("etc").file("etc/a", "lower").bytes();
  const std::string upper_ = LayerTar().directory("etc").file("etc/a", "upper").bytes();
  const TestImage image_ = makeImage({lower_, upper_});

  // Through a socket: the descriptor cannot seek.
  Result<std::vector<std::shared_ptr<const Image>>> import(const std::string& bytes,
                                                           const std::string& name = "") {
    auto stream = images::makeStream().value();
    auto sending = std::async(std::launch::async, [&bytes, writer = std::move(stream.writer)]() mutable {
      Stop stop(std::chrono::seconds(20));
      static_cast<void>(images::sendAll(writer.get(), bytes, stop).ok());
      writer.reset();
    });
    Stop stop(std::chrono::seconds(20));
    auto images = service().importArchive(stream.reader.get(), name, stop);
    stream.reader.reset();
    return images;
  }
  std::string ociArchive(const std::string& annotations, bool index_first = false) const {
    const auto index = fmt::format(
        R"({{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{}}}]}})",
        image_.manifest_digest, image_.manifest.size(), annotations);
    LayerTar tar;
    if (index_first) tar.file("index.json", index);
    tar.directory("blobs").directory("blobs/sha256");
    for (size_t i = 0; i < image_.layers.size(); ++i)
      tar.file("blobs/sha256/" + image_.layer_digests[i].substr(7), image_.layers[i]);
    tar.file("blobs/sha256/" + image_.config_digest.substr(7), image_.config);
    tar.file("blobs/sha256/" + image_.manifest_digest.substr(7), image_.manifest);
    tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    if (!index_first) tar.file("./index.json", index);
    return tar.bytes();
  }
  std::string savedArchive(const std::string& tags) const {
    return LayerTar()
        .directory("l1")
        .file("l1/layer.tar", lower_)
        .directory("l2")
        .symlink("l2/layer.tar", "../real/layer.tar")
        .directory("real")
        .file("real/layer.tar", upper_)
        .file("c.json", image_.config)
        .file("manifest.json",
              fmt::format(R"([{{"Config":"c.json","RepoTags":{},"Layers":["l1/layer.tar","l2/layer.tar"]}}])",
                          tags))
        .file("repositories", "{}")
        .bytes();
  }
};

TEST_F(Import, ReadsAnOciArchive) {
  for (const bool index_first : {false, true}) {
    const auto images = import(ociArchive(
        R"({"io.containerd.image.name":"docker.io/library/app:1","org.opencontainers.image.ref.name":"1"})",
        index_first));
    ASSERT_TRUE(images.ok()) << images.error().text;
    ASSERT_EQ(images->size(), 1u);
    EXPECT_EQ(images->front()->id, image_.config_digest);
    EXPECT_EQ(images->front()->manifest_digest, image_.manifest_digest);
    EXPECT_EQ(fileOf(*images->front(), "etc/a"), "upper");
    expectTidy();
  }
  EXPECT_NE(*service().find("app:1"), nullptr);
  // index.json, oci-layout are no image's: only four blobs stay.
  EXPECT_EQ(filesIn("blobs/sha256"), 4u);
}

TEST_F(Import, ReadsADockerArchive) {
  const auto images = import(savedArchive(R"(["app:1","team/app:2"])"));
  ASSERT_TRUE(images.ok()) << images.error().text;
  ASSERT_EQ(images->size(), 1u);
  EXPECT_EQ(images->front()->id, image_.config_digest);
  EXPECT_EQ(images->front()->repo_tags,
            (std::vector<std::string>{"docker.io/library/app:1", "docker.io/team/app:2"}));
  EXPECT_EQ(fileOf(*images->front(), "etc/a"), "upper");
  EXPECT_EQ(filesIn("blobs/sha256"), 4u);
  ASSERT_TRUE(service().remove("app:1").ok());
  ASSERT_TRUE(service().remove("team/app:2").ok());
  EXPECT_EQ(filesIn("blobs/sha256"), 0u);
}

TEST_F(Import, ReadsCompressedArchives) {
  EXPECT_TRUE(import(gzipped(savedArchive(R"(["gz:1"])"))).ok());
  EXPECT_TRUE(import(zstdPacked(savedArchive(R"(["zst:1"])"))).ok());
  EXPECT_NE(*service().find("gz:1"), nullptr);
  EXPECT_NE(*service().find("zst:1"), nullptr);
}

TEST_F(Import, GivesANameToAnArchiveWithoutOne) {
  const auto nameless = import(ociArchive("{}"));
  ASSERT_FALSE(nameless.ok());
  EXPECT_EQ(nameless.error().code, Code::kInvalidArgument);
  EXPECT_NE(nameless.error().text.find("give one"), std::string::npos) << nameless.error().text;
  EXPECT_EQ(filesIn("blobs/sha256"), 0u);
  EXPECT_TRUE(import(ociArchive("{}"), "mine:1").ok());
  EXPECT_NE(*service().find("mine:1"), nullptr);
  EXPECT_TRUE(import(savedArchive("null"), "other").ok());
  EXPECT_NE(*service().find("other:latest"), nullptr);
  EXPECT_EQ(import(ociArchive("{}"), "Bad Name").error().code, Code::kInvalidArgument);
}

TEST_F(Import, FindsDockersNamesInAnOciArchive) {
  auto archive = LayerTar()
                     .file("manifest.json",
                           fmt::format(R"([{{"Config":"blobs/sha256/{}","RepoTags":["app:7"],"Layers":[]}}])",
                                       image_.config_digest.substr(7)))
                     .withoutEnd();
  const auto images = import(archive + ociArchive(R"({"org.opencontainers.image.ref.name":"7"})"));
  ASSERT_TRUE(images.ok()) << images.error().text;
  EXPECT_EQ(images->front()->repo_tags, std::vector<std::string>{"docker.io/library/app:7"});
}

TEST_F(Import, RefusesWhatIsNoImageArchiveAndLeavesNothing) {
  auto lying = LayerTar().file("blobs/sha256/" + std::string(64, 'a'), "x").bytes();
  const auto link_loop = LayerTar().symlink("manifest.json", "a").symlink("a", "manifest.json").bytes();
  const auto escape = LayerTar().symlink("manifest.json", "../../../../etc/passwd").bytes();
  const auto missing =
      LayerTar()
          .file("manifest.json", R"([{"Config":"/etc/hostname","RepoTags":["a:1"],"Layers":[]}])")
          .bytes();
  const struct {
    std::string bytes;
    Code code;
  } cases[] = {
      {"hello", Code::kDataLoss},
      {"", Code::kInvalidArgument},
      {LayerTar().file("x", "y").bytes(), Code::kInvalidArgument},
      {lying, Code::kDataLoss},
      {link_loop, Code::kNotFound},
      {escape, Code::kNotFound},
      {missing, Code::kNotFound},
      {ociArchive("{}").substr(0, 2000), Code::kDataLoss},
      {gzipped(ociArchive("{}")).substr(0, 500), Code::kDataLoss},
  };
  for (const auto& one : cases) {
    const auto images = import(one.bytes, "app:1");
    ASSERT_FALSE(images.ok());
    EXPECT_EQ(images.error().code, one.code) << images.error().text;
    EXPECT_EQ(filesIn("blobs/sha256"), 0u);
    EXPECT_EQ(filesIn("layers"), 0u);
    expectTidy();
  }
}

TEST_F(Import, EndsWithItsStop) {
  auto stream = images::makeStream().value();
  Stop soon(std::chrono::milliseconds(5));
  EXPECT_EQ(service().importArchive(stream.reader.get(), "a:1", soon).error().code, Code::kDeadlineExceeded);
}

}  // namespace
}  // namespace keelson::runtime
