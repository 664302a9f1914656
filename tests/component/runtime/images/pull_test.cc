// Whole pulls against registries in this process.
#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "runtime/images/manifest.h"
#include "tests/component/runtime/images/temp_store.h"
#include "tests/fakes/test_image.h"

namespace keelson::runtime {
namespace {

using fakes::FakeHost;
using fakes::LayerTar;
using fakes::makeImage;
using fakes::Packing;
using fakes::TestImage;

constexpr const char* kHub = "registry-1.docker.io";

class Pull : public fakes::TempStore {
 protected:
  const TestImage image_ =
      makeImage({LayerTar().directory("etc").file("etc/a", "lower").file("etc/b", "b").bytes(),
                 LayerTar().directory("etc").file("etc/a", "upper").bytes(),
                 LayerTar().directory("big").file("big/c", std::string(50'000, 'c')).bytes()});
  FakeHost& hub() { return http_.hosts[kHub]; }
};

TEST_F(Pull, MakesAnImageWhole) {
  image_.pushTo(hub(), "library/app", "1");
  std::vector<std::string> steps;
  Bytes fetched, total;
  Stop stop(std::chrono::seconds(20));
  const auto image = service().pull(
      "app:1", {},
      [&](const PullProgress& progress) {
        if (steps.empty() || steps.back() != progress.step) steps.push_back(progress.step);
        fetched = progress.fetched;
        total = progress.total;
      },
      stop);
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ((*image)->id, image_.config_digest);
  EXPECT_EQ((*image)->manifest_digest, image_.manifest_digest);
  EXPECT_EQ((*image)->repo_tags, std::vector<std::string>{"docker.io/library/app:1"});
  EXPECT_EQ((*image)->repo_digests,
            std::vector<std::string>{"docker.io/library/app@" + image_.manifest_digest});
  EXPECT_EQ((*image)->layer_chain_ids.size(), 3u);
  EXPECT_EQ((*image)->config.user, "7");
  EXPECT_EQ((*image)->config.stop_signal, "SIGQUIT");
  EXPECT_EQ(fileOf(**image, "etc/a"), "upper");
  EXPECT_EQ(fileOf(**image, "etc/b"), "b");
  EXPECT_EQ(fileOf(**image, "big/c").size(), 50'000u);
  EXPECT_EQ(steps, (std::vector<std::string>{"resolving", "fetching", "unpacking"}));
  EXPECT_EQ(fetched, total);
  expectTidy();
}

TEST_F(Pull, FindsItAgainAfterARestart) {
  image_.pushTo(hub(), "library/app", "1");
  const auto pulled = pull("app:1");
  ASSERT_TRUE(pulled.ok()) << pulled.error().text;
  auto& again = restart();
  EXPECT_TRUE(again.cleanUp().empty());
  const auto found = again.find("docker.io/library/app:1");
  ASSERT_TRUE(found.ok());
  ASSERT_NE(*found, nullptr);
  EXPECT_EQ((*found)->id, (*pulled)->id);
  EXPECT_EQ((*found)->size.value, (*pulled)->size.value);
  EXPECT_EQ((*found)->config.cmd, (*pulled)->config.cmd);
  EXPECT_EQ(fileOf(**found, "etc/a"), "upper");
}

TEST_F(Pull, AgainOnlyAsksForTheTag) {
  image_.pushTo(hub(), "library/app", "1");
  ASSERT_TRUE(pull("app:1").ok());
  const auto before = http_.seen().size();
  ASSERT_TRUE(pull("app:1").ok());
  EXPECT_EQ(http_.seen().size(), before + 1);
  EXPECT_EQ(http_.seen().back().method, "HEAD");
}

TEST_F(Pull, AMovedTagBringsTheNewImageAndSharesLayers) {
  image_.pushTo(hub(), "library/app", "1");
  ASSERT_TRUE(pull("app:1").ok());
  const auto next = makeImage({LayerTar().directory("etc").file("etc/a", "lower").file("etc/b", "b").bytes(),
                               LayerTar().file("new", "new").bytes()});
  next.pushTo(hub(), "library/app", "1");
  const auto image = pull("app:1");
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ((*image)->id, next.config_digest);
  EXPECT_EQ(http_.count("GET", "/blobs/" + image_.layer_digests[0]), 1u);
  const auto old = service().find(image_.config_digest);
  ASSERT_NE(*old, nullptr);
  EXPECT_TRUE((*old)->repo_tags.empty());
  EXPECT_EQ(service().list().size(), 2u);
}

TEST_F(Pull, ByDigestNeedsNoTag) {
  image_.pushTo(hub(), "library/app", "");
  const auto name = "app@" + image_.manifest_digest;
  const auto image = pull(name);
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_TRUE((*image)->repo_tags.empty());
  EXPECT_NE(*service().find(name), nullptr);
}

TEST_F(Pull, ReadsEveryCompression) {
  for (const auto packing : {Packing::kPlain, Packing::kGzip, Packing::kZstd}) {
    const auto name = fmt::format("p{}", static_cast<int>(packing));
    makeImage({LayerTar().file("file", "content " + name).bytes()}, name, packing)
        .pushTo(hub(), "library/" + name, "latest");
    const auto image = pull(name);
    ASSERT_TRUE(image.ok()) << image.error().text;
    EXPECT_EQ(fileOf(**image, "file"), "content " + name);
  }
}

TEST_F(Pull, PicksThePlatformFromAnIndex) {
  image_.pushTo(hub(), "library/app", "");
  const auto platform = images::hostPlatform();
  const auto entry = [](const std::string& digest, size_t size, const std::string& os,
                        const std::string& architecture) {
    return json::object{{"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                        {"digest", digest},
                        {"size", size},
                        {"platform", {{"os", os}, {"architecture", architecture}}}};
  };
  const auto index = json::serialize(json::object{
      {"schemaVersion", 2},
      {"manifests",
       {entry("sha256:" + std::string(64, '0'), 5, "linux", "s390x"),
        entry("sha256:" + std::string(64, '1'), 5, "unknown", "unknown"),
        entry(image_.manifest_digest, image_.manifest.size(), platform.os, platform.architecture)}}});
  const auto digest =
      hub().addManifest("library/app", "multi", index, "application/vnd.oci.image.index.v1+json");
  const auto image = pull("app:multi");
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ((*image)->manifest_digest, image_.manifest_digest);
  // The name by digest is the index's, as users pin it; the platform's own finds it too.
  EXPECT_EQ((*image)->repo_digests, std::vector<std::string>{"docker.io/library/app@" + digest});
  EXPECT_NE(*service().find("app@" + image_.manifest_digest), nullptr);

  const auto foreign = json::serialize(json::object{
      {"schemaVersion", 2}, {"manifests", {entry("sha256:" + std::string(64, '0'), 5, "linux", "s390x")}}});
  hub().addManifest("library/app", "foreign", foreign, "application/vnd.oci.image.index.v1+json");
  const auto refused = pull("app:foreign");
  EXPECT_EQ(refused.error().code, Code::kNotFound);
  EXPECT_NE(refused.error().text.find("linux/s390x"), std::string::npos) << refused.error().text;
}

// ---- credentials ----

TEST_F(Pull, GetsAnAnonymousToken) {
  hub().auth = FakeHost::Auth::kBearer;
  image_.pushTo(hub(), "team/app", "1");
  const auto image = pull("team/app:1");
  ASSERT_TRUE(image.ok()) << image.error().text;
  // One token serves the manifest, the configuration and all layers.
  EXPECT_EQ(http_.count("GET", "auth.example/token"), 1u);
}

TEST_F(Pull, TradesAPasswordForAToken) {
  hub().auth = FakeHost::Auth::kBearer;
  hub().anonymous_token = false;
  image_.pushTo(hub(), "team/app", "1");
  const auto refused = pull("team/app:1");
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied) << refused.error().text;
  EXPECT_TRUE(pull("team/app:1", {{"ada", "secret", ""}}).ok());
}

TEST_F(Pull, TradesAnIdentityTokenForAToken) {
  hub().auth = FakeHost::Auth::kBearer;
  hub().anonymous_token = false;
  image_.pushTo(hub(), "team/app", "1");
  const auto image = pull("team/app:1", {{"", "", "long+lived"}});
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ(http_.count("POST", "auth.example/token"), 1u);
}

TEST_F(Pull, SpeaksBasicAndTriesCredentialsInOrder) {
  hub().auth = FakeHost::Auth::kBasic;
  image_.pushTo(hub(), "library/app", "1");
  const auto anonymous = pull("app:1");
  EXPECT_EQ(anonymous.error().code, Code::kPermissionDenied);
  EXPECT_NE(anonymous.error().text.find("user name"), std::string::npos) << anonymous.error().text;
  const auto wrong = pull("app:1", {{"ada", "guess", ""}});
  EXPECT_EQ(wrong.error().code, Code::kPermissionDenied);
  EXPECT_NE(wrong.error().text.find("imagePullSecrets"), std::string::npos) << wrong.error().text;
  EXPECT_EQ(wrong.error().text.find("guess"), std::string::npos);
  EXPECT_TRUE(pull("app:1", {{"ada", "guess", ""}, {"ada", "secret", ""}}).ok());
}

TEST_F(Pull, CredentialsDoNotFollowRedirects) {
  hub().auth = FakeHost::Auth::kBasic;
  hub().redirect_blobs_to = "https://cdn.example";
  image_.pushTo(hub(), "library/app", "1");
  http_.hosts["cdn.example"].blobs = hub().blobs;
  const auto image = pull("app:1", {{"ada", "secret", ""}});
  ASSERT_TRUE(image.ok()) << image.error().text;
  size_t at_cdn = 0;
  for (const auto& request : http_.seen()) {
    if (!request.url.starts_with("https://cdn.example")) continue;
    ++at_cdn;
    EXPECT_EQ(request.authorization, "") << request.url;
  }
  EXPECT_EQ(at_cdn, 4u);
}

TEST_F(Pull, NeverFollowsARedirectToPlainHttp) {
  hub().redirect_blobs_to = "http://cdn.example";
  http_.plain_hosts.insert("cdn.example");
  image_.pushTo(hub(), "library/app", "1");
  http_.hosts["cdn.example"].blobs = hub().blobs;
  const auto refused = pull("app:1");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().text.find("without TLS"), std::string::npos) << refused.error().text;
  EXPECT_EQ(http_.count("GET", "http://cdn.example"), 0u);
  registries_.hosts["cdn.example"].plain_http = true;
  restart();
  EXPECT_TRUE(pull("app:1").ok());
}

TEST_F(Pull, SendsNoPasswordToATokenServerWithoutTls) {
  hub().auth = FakeHost::Auth::kBearer;
  hub().token_realm = "http://auth.example/token";
  http_.plain_hosts.insert("auth.example");
  image_.pushTo(hub(), "team/app", "1");
  EXPECT_EQ(pull("team/app:1", {{"ada", "secret", ""}}).error().code, Code::kPermissionDenied);
  EXPECT_EQ(http_.count("GET", "auth.example"), 0u);
}

// ---- mirrors ----

TEST_F(Pull, AsksMirrorsFirstAndWithoutCredentials) {
  registries_.hosts["docker.io"].mirrors = {"127.0.0.1:5000"};
  http_.plain_hosts.insert("127.0.0.1:5000");
  image_.pushTo(http_.hosts["127.0.0.1:5000"], "library/app", "1");
  const auto image = pull("app:1", {{"ada", "secret", ""}});
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ((*image)->repo_tags, std::vector<std::string>{"docker.io/library/app:1"});
  EXPECT_EQ(http_.count("HEAD", kHub) + http_.count("GET", kHub), 0u);
  for (const auto& request : http_.seen()) EXPECT_EQ(request.authorization, "");
}

TEST_F(Pull, GoesPastMirrorsThatCannotHelp) {
  registries_.hosts["docker.io"].mirrors = {"down.example", "https://empty.example"};
  http_.hosts["down.example"].down = true;
  http_.hosts["empty.example"];
  image_.pushTo(hub(), "library/app", "1");
  EXPECT_TRUE(pull("app:1").ok());
  const auto refused = pull("app:none");
  EXPECT_EQ(refused.error().code, Code::kNotFound);
  for (const std::string part :
       {"pull docker.io/library/app:none", "down.example", "empty.example", kHub, "check name and tag"})
    EXPECT_NE(refused.error().text.find(part), std::string::npos) << part << " in " << refused.error().text;
}

TEST_F(Pull, AMirrorThatLosesABlobIsReplacedInTheMiddle) {
  registries_.hosts["docker.io"].mirrors = {"mirror.example"};
  auto& mirror = http_.hosts["mirror.example"];
  image_.pushTo(mirror, "library/app", "1");
  image_.pushTo(hub(), "library/app", "1");
  mirror.blobs.erase(image_.layer_digests[1]);
  const auto image = pull("app:1");
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ(http_.count("GET", std::string(kHub) + "/v2/library/app/blobs/" + image_.layer_digests[1]), 1u);
  EXPECT_EQ(http_.count("GET", std::string(kHub) + "/v2/library/app/blobs/" + image_.layer_digests[0]), 0u);
}

// ---- what goes wrong ----

TEST_F(Pull, GoesOnWhereAConnectionBroke) {
  for (const bool ranges : {true, false}) {
    auto& host = hub();
    host.ranges = ranges;
    const auto random = [] {
      std::string text;
      for (int i = 0; i < 200; ++i) text += randomHex(32);
      return text;
    };
    const auto image = makeImage({LayerTar().file("big", random()).bytes()});
    const auto name = ranges ? "ranged" : "unranged";
    image.pushTo(host, std::string("library/") + name, "latest");
    host.break_after[image.layer_digests[0]] = 2500;
    const auto pulled = pull(name);
    ASSERT_TRUE(pulled.ok()) << pulled.error().text;
    EXPECT_EQ(http_.count("GET", name), ranges ? 5u : 5u);  // manifest, configuration, layer, probe, rest
    const auto last = http_.seen().back();
    EXPECT_EQ(last.range, ranges ? "bytes=2500-" : "");
  }
}

TEST_F(Pull, WrongContentIsDataLossAndLeavesNothing) {
  for (const int what : {0, 1, 2, 3}) {
    http_.hosts.clear();
    image_.pushTo(hub(), "library/app", "1");
    if (what == 0) hub().manifests["library/app"][image_.manifest_digest].bytes += " ";
    if (what == 1) hub().blobs[image_.config_digest][20] ^= 1;
    if (what == 2) {
      // As long as announced and well compressed, but other content.
      auto& blob = hub().blobs[image_.layer_digests[2]];
      blob[blob.size() / 2] = static_cast<char>(blob[blob.size() / 2] ^ 0x40);
    }
    if (what == 3) hub().blobs[image_.layer_digests[2]].resize(100);
    hub().says_digest = what != 0;
    if (what == 0)
      hub().manifests["library/app"]["1"] = {image_.manifest, "application/vnd.oci.image.manifest.v1+json"};
    const auto refused = pull("app:1");
    ASSERT_FALSE(refused.ok()) << what;
    EXPECT_EQ(refused.error().code, Code::kDataLoss) << what << ": " << refused.error().text;
    EXPECT_TRUE(service().list().empty());
    EXPECT_EQ(filesIn("blobs/sha256"), 0u) << what;
    EXPECT_EQ(filesIn("layers"), 0u) << what;
    expectTidy();
  }
}

TEST_F(Pull, ALayerThatIsNotWhatTheConfigurationSaysIsRefused) {
  auto lying = makeImage({LayerTar().file("a", "1").bytes()});
  const auto other = fakes::gzipped(LayerTar().file("a", "2").bytes());
  // The manifest names the other blob, properly; only the diff id tells.
  const auto digest = "sha256:" + sha256Hex(other);
  lying.manifest.replace(lying.manifest.find(lying.layer_digests[0]), digest.size(), digest);
  const auto size_at = lying.manifest.rfind("\"size\":");
  lying.manifest.replace(size_at, lying.manifest.find_first_of(",}", size_at) - size_at,
                         fmt::format("\"size\":{}", other.size()));
  lying.layers[0] = other;
  lying.pushTo(hub(), "library/app", "1");
  const auto refused = pull("app:1");
  EXPECT_EQ(refused.error().code, Code::kDataLoss) << refused.error().text;
  EXPECT_NE(refused.error().text.find("image configuration says"), std::string::npos) << refused.error().text;
  EXPECT_EQ(filesIn("layers"), 0u);
}

TEST_F(Pull, ErrorsCarryTheRightCode) {
  const struct {
    int status;
    Code code;
  } cases[] = {{401, Code::kPermissionDenied}, {403, Code::kPermissionDenied}, {404, Code::kNotFound},
               {429, Code::kUnavailable},      {500, Code::kUnavailable},      {503, Code::kUnavailable},
               {418, Code::kDataLoss}};
  for (const auto& one : cases) {
    hub().fail_status = one.status;
    const auto refused = pull("app:1");
    EXPECT_EQ(refused.error().code, one.code) << one.status << ": " << refused.error().text;
  }
  EXPECT_EQ(pull("Bad Name").error().code, Code::kInvalidArgument);
  EXPECT_EQ(pull("nowhere.example/app").error().code, Code::kUnavailable);
  Stop cancelled;
  cancelled.cancel();
  EXPECT_EQ(service().pull("app:1", {}, {}, cancelled).error().code, Code::kCancelled);
}

TEST_F(Pull, RegistriesWithoutHeadOrDigestHeaderWork) {
  hub().knows_head = false;
  hub().says_digest = false;
  image_.pushTo(hub(), "library/app", "1");
  const auto image = pull("app:1");
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ((*image)->manifest_digest, image_.manifest_digest);
}

TEST_F(Pull, ADigestPinHoldsWhateverTheRegistrySaysOfItself) {
  const auto other = makeImage({LayerTar().file("not", "asked for").bytes()});
  for (const bool knows_head : {true, false}) {
    for (const bool says_digest : {true, false}) {
      hub().knows_head = knows_head;
      hub().says_digest = says_digest;
      hub().manifests["library/app"][image_.manifest_digest] = {other.manifest,
                                                                "application/vnd.oci.image.manifest.v1+json"};
      const auto refused = pull("app@" + image_.manifest_digest);
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, Code::kDataLoss) << refused.error().text;
      EXPECT_NE(refused.error().text.find(image_.manifest_digest), std::string::npos) << refused.error().text;
      EXPECT_TRUE(service().list().empty());
      image_.pushTo(hub(), "library/app", "");
    }
  }
  EXPECT_TRUE(pull("app@" + image_.manifest_digest).ok());
}

TEST_F(Pull, ABombIsStoppedByItsRatio) {
  makeImage({LayerTar().file("zeros", std::string(4 << 20, '\0')).bytes()})
      .pushTo(hub(), "library/bomb", "latest");
  auto small = options();
  small.unpack.ratio_free = 1 << 20;
  small.unpack.ratio = 100;
  service_ = NativeImageService::open(small, http_, realClock()).value();
  const auto refused = pull("bomb");
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted) << refused.error().text;
  expectTidy();
}

// ---- at the same time ----

TEST_F(Pull, OfOneImageByManyFetchesOnce) {
  image_.pushTo(hub(), "library/app", "1");
  service();
  std::vector<std::future<bool>> pulls;
  for (int i = 0; i < 8; ++i)
    pulls.push_back(std::async(std::launch::async, [&] { return pull("app:1").ok(); }));
  for (auto& one : pulls) EXPECT_TRUE(one.get());
  for (const auto& layer : image_.layer_digests) EXPECT_EQ(http_.count("GET", "/blobs/" + layer), 1u);
  EXPECT_EQ(filesIn("layers"), 3u);
  expectTidy();
}

TEST_F(Pull, ImagesThatShareALayerFetchItOnce) {
  const auto shared = LayerTar().file("base", std::string(100'000, 'x')).bytes();
  std::vector<TestImage> images;
  for (int i = 0; i < 4; ++i) {
    images.push_back(makeImage({shared, LayerTar().file("own", fmt::format("{}", i)).bytes()}));
    images.back().pushTo(hub(), fmt::format("library/app{}", i), "latest");
  }
  service();
  std::vector<std::future<bool>> pulls;
  for (int i = 0; i < 4; ++i)
    pulls.push_back(std::async(std::launch::async, [&, i] { return pull(fmt::format("app{}", i)).ok(); }));
  for (auto& one : pulls) EXPECT_TRUE(one.get());
  EXPECT_EQ(http_.count("GET", "/blobs/" + images[0].layer_digests[0]), 1u);
  EXPECT_EQ(filesIn("layers"), 5u);
  EXPECT_EQ(service().list().size(), 4u);
}

TEST_F(Pull, TheSameLayerTwiceInOneImageIsTwoLayers) {
  const auto layer = LayerTar().file("same", "x").bytes();
  makeImage({layer, layer, layer}).pushTo(hub(), "library/twice", "latest");
  const auto image = pull("twice");
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ(filesIn("layers"), 3u);
}

TEST_F(Pull, UndescribedDirectoriesLookLikeThoseBelow) {
  makeImage({LayerTar().directory("tmp", 01777).bytes(), LayerTar().file("tmp/x/y", "1").bytes()})
      .pushTo(hub(), "library/implicit", "latest");
  const auto image = pull("implicit");
  ASSERT_TRUE(image.ok()) << image.error().text;
  const auto layers = service().openLayers(**image).value();
  struct stat status {};
  ASSERT_EQ(fstatat(layers.top_first[0].get(), "tmp", &status, 0), 0);
  EXPECT_EQ(status.st_mode & 07777, 01777u);
  ASSERT_EQ(fstatat(layers.top_first[0].get(), "tmp/x", &status, 0), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

}  // namespace
}  // namespace keelson::runtime
