#include "runtime/images/manifest.h"

#include <gtest/gtest.h>

#include "runtime/images/config_document.h"
#include "runtime/images/image_record.h"

namespace keelson::runtime::images {
namespace {

const std::string kDigestA = "sha256:" + std::string(64, 'a');
const std::string kDigestB = "sha256:" + std::string(64, 'b');

std::string descriptor(const std::string& digest, int64_t size = 10) {
  return fmt::format(R"({{"mediaType":"x","digest":"{}","size":{}}})", digest, size);
}
std::string manifestWith(const std::string& layers,
                         const std::string& config_type = "application/vnd.oci.image.config.v1+json") {
  return fmt::format(
      R"({{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":3}},"layers":[{}]}})",
      config_type, kDigestA, layers);
}

TEST(DecodeManifest, ReadsOciAndDockerManifests) {
  for (const auto type : {kOciManifest, kDockerManifest}) {
    const auto document = decodeManifest(manifestWith(descriptor(kDigestB)), type);
    ASSERT_TRUE(document.ok()) << document.error().text;
    const auto& manifest = std::get<ImageManifest>(*document);
    EXPECT_EQ(manifest.media_type, type);
    EXPECT_EQ(manifest.config.digest, kDigestA);
    ASSERT_EQ(manifest.layers.size(), 1u);
    EXPECT_EQ(manifest.layers[0].size, 10);
  }
}

TEST(DecodeManifest, TheDocumentsOwnTypeWins) {
  const auto text = fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[]}})", kDockerIndex);
  EXPECT_TRUE(std::holds_alternative<ImageIndex>(*decodeManifest(text, kOciManifest)));
}

TEST(DecodeManifest, RefusesBrokenAndHostileDocuments) {
  std::string many;
  for (size_t i = 0; i <= kMaxLayers; ++i) many += (i == 0 ? "" : ",") + descriptor(kDigestB);
  const struct {
    std::string text;
    Code code;
  } cases[] = {
      {"", Code::kInvalidArgument},
      {"[]", Code::kDataLoss},
      {"{\"schemaVersion\":1,\"fsLayers\":[]}", Code::kUnsupported},
      {manifestWith(descriptor("sha256:..")), Code::kDataLoss},
      {manifestWith(descriptor("sha512:" + std::string(128, 'a'))), Code::kUnsupported},
      {manifestWith(descriptor(kDigestB, -1)), Code::kResourceExhausted},
      {manifestWith(descriptor(kDigestB, kMaxBlobBytes + 1)), Code::kResourceExhausted},
      {manifestWith("7"), Code::kDataLoss},
      {manifestWith(many), Code::kResourceExhausted},
      {manifestWith("", "application/vnd.cncf.helm.config.v1+json"), Code::kUnsupported},
      {R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]})",
       Code::kDataLoss},
      {R"({"schemaVersion":2,"manifests":[],"layers":[]})", Code::kDataLoss},
      {R"({"schemaVersion":2,"layers":{}})", Code::kUnsupported},
      {R"({"schemaVersion":2,"mediaType":5})", Code::kDataLoss},
      {std::string(100, '['), Code::kInvalidArgument},
  };
  for (const auto& one : cases) {
    const auto document = decodeManifest(one.text, "");
    ASSERT_FALSE(document.ok()) << one.text;
    EXPECT_EQ(document.error().code, one.code) << one.text << ": " << document.error().text;
  }
}

ImageIndex indexOf(const std::vector<Platform>& platforms) {
  ImageIndex index;
  for (const auto& platform : platforms) {
    Descriptor entry;
    entry.digest = "sha256:" + std::string(63, 'c') + std::to_string(index.manifests.size());
    entry.platform = platform;
    index.manifests.push_back(entry);
  }
  return index;
}

TEST(PickPlatform, PrefersTheExactVariant) {
  const auto index = indexOf(
      {{"windows", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "amd64", ""}, {"linux", "arm64", "v8"}});
  EXPECT_EQ(pickPlatform(index, {"linux", "amd64", ""})->digest.back(), '2');
  EXPECT_EQ(pickPlatform(index, {"linux", "arm64", "v8"})->digest.back(), '3');
  EXPECT_EQ(pickPlatform(indexOf({{"linux", "arm64", ""}}), {"linux", "arm64", "v8"})->digest.back(), '0');
}

TEST(PickPlatform, DoesNotRunMachineCodeForNewerProcessors) {
  EXPECT_FALSE(pickPlatform(indexOf({{"linux", "amd64", "v3"}}), {"linux", "amd64", ""}).ok());
}

TEST(PickPlatform, NamesWhatThereIs) {
  const auto picked =
      pickPlatform(indexOf({{"linux", "s390x", ""}, {"unknown", "unknown", ""}}), {"linux", "amd64", ""});
  EXPECT_EQ(picked.error().code, Code::kNotFound);
  EXPECT_NE(picked.error().text.find("linux/s390x"), std::string::npos);
}

TEST(DecodeConfig, ReadsWhatAContainerNeeds) {
  const auto text = fmt::format(R"({{"os":"linux","architecture":"amd64","created":"2024-01-02T03:04:05.5Z",
    "config":{{"Entrypoint":["/e"],"Cmd":null,"Env":["A=b","C="],"User":"nginx:www","WorkingDir":"/w","StopSignal":"SIGQUIT",
    "Volumes":{{"/data":{{}}}},"Labels":{{"k":"v"}},"Healthcheck":{{"Test":["x"]}}}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}})",
                                kDigestA);
  const auto document = decodeConfig(text);
  ASSERT_TRUE(document.ok()) << document.error().text;
  EXPECT_EQ(document->config.entrypoint, std::vector<std::string>{"/e"});
  EXPECT_TRUE(document->config.cmd.empty());
  EXPECT_EQ(document->config.env, (std::vector<std::string>{"A=b", "C="}));
  EXPECT_EQ(document->config.user, "nginx:www");
  EXPECT_EQ(document->config.working_dir, "/w");
  EXPECT_EQ(document->config.stop_signal, "SIGQUIT");
  EXPECT_EQ(document->config.volumes, std::vector<std::string>{"/data"});
  EXPECT_EQ(document->config.labels.at("k"), "v");
  EXPECT_EQ(document->diff_ids, std::vector<std::string>{kDigestA});
  ASSERT_TRUE(document->created.has_value());
  EXPECT_EQ(formatTime(*document->created), "2024-01-02T03:04:05Z");
}

TEST(DecodeConfig, NamesTheBrokenField) {
  EXPECT_NE(decodeConfig(R"({"config":{"Env":[1]}})").error().text.find("Env"), std::string::npos);
  EXPECT_NE(decodeConfig(R"({"rootfs":{"diff_ids":["x"]}})").error().text.find("diff_ids"),
            std::string::npos);
  EXPECT_FALSE(decodeConfig("null").ok());
}

TEST(ImageRecord, ComesBackAsItWasWritten) {
  ImageRecord record;
  record.id = kDigestA;
  record.config_size = 5;
  record.manifest_digest = kDigestB;
  record.manifest_media_type = std::string(kOciManifest);
  record.manifest_size = 7;
  record.tags = {"docker.io/library/a:1"};
  record.digests = {"docker.io/library/a@" + kDigestB};
  record.layers = {{kDigestA, 3, kDigestB}};
  record.pulled = parseTime("2024-01-02T03:04:05.123456789Z").value();
  const auto again = decodeRecord(encodeRecord(record));
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_EQ(*again, record);
}

TEST(ImageRecord, RefusesTornAndForeignFiles) {
  for (const std::string text : {"", "{}", "{\"version\":1}", "{\"version\":1,\"id\":\"../../etc/passwd\"}"})
    EXPECT_FALSE(decodeRecord(text).ok()) << text;
  EXPECT_EQ(decodeRecord("{\"version\":2}").error().code, Code::kUnsupported);
}

TEST(RenderIndex, ListsEveryTag) {
  ImageRecord record;
  record.id = record.manifest_digest = kDigestA;
  record.tags = {"docker.io/library/a:1", "docker.io/library/a:2"};
  const auto document = decodeManifest(renderIndex({record}), "");
  ASSERT_TRUE(document.ok()) << document.error().text;
  const auto& index = std::get<ImageIndex>(*document);
  ASSERT_EQ(index.manifests.size(), 2u);
  EXPECT_EQ(index.manifests[1].annotations.at("org.opencontainers.image.ref.name"), "docker.io/library/a:2");
}

}  // namespace
}  // namespace keelson::runtime::images
