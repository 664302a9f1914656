// Pure readers of names, headers and addresses.
#include <gtest/gtest.h>

#include "runtime/images/archive_names.h"
#include "runtime/images/entry_path.h"
#include "runtime/images/image_lookup.h"
#include "runtime/images/registry_auth.h"
#include "runtime/images/store_ledger.h"
#include "runtime/images/url.h"

namespace keelson::runtime::images {
namespace {

TEST(CleanPath, StaysBeneathTheRoot) {
  const std::pair<const char*, const char*> cases[] = {
      {"a/b", "a/b"},
      {"/a/b", "a/b"},
      {"./a//b/", "a/b"},
      {"a/../b", "b"},
      {"../../etc/passwd", "etc/passwd"},
      {"/../..", ""},
      {"a/b/../../..", ""},
      {"", ""},
      {".", ""},
      {"a/./b/..", "a"},
      {"...", "..."},
      {"//", ""},
  };
  for (const auto& [path, cleaned] : cases) EXPECT_EQ(cleanPath(path), cleaned) << path;
}

TEST(EntryPath, KnowsWhiteouts) {
  const struct {
    const char* path;
    EntryMeaning meaning;
    const char *parent, *name;
  } cases[] = {
      {"a/b", EntryMeaning::kPlain, "a", "b"},
      {"./", EntryMeaning::kRoot, "", ""},
      {"a/.wh.b", EntryMeaning::kWhiteout, "a", "b"},
      {".wh.b", EntryMeaning::kWhiteout, "", "b"},
      {"a/.wh..wh..opq", EntryMeaning::kOpaque, "a", ".wh..wh..opq"},
      {".wh..wh.plnk", EntryMeaning::kIgnored, "", ".wh..wh.plnk"},
      {"a/.wh.b/c", EntryMeaning::kPlain, "a/.wh.b", "c"},
      {"a/.wh.../x", EntryMeaning::kPlain, "a/.wh...", "x"},
  };
  for (const auto& one : cases) {
    const auto entry = readEntryPath(one.path);
    ASSERT_TRUE(entry.ok()) << one.path;
    EXPECT_EQ(entry->meaning, one.meaning) << one.path;
    EXPECT_EQ(entry->parent, one.parent) << one.path;
    EXPECT_EQ(entry->name, one.name) << one.path;
  }
}

TEST(EntryPath, RefusesWhiteoutsOfDotsAndLongNames) {
  for (const std::string path : {"a/.wh.", "a/.wh..", "a/.wh..."})
    EXPECT_EQ(readEntryPath(path).error().code, Code::kDataLoss) << path;
  EXPECT_EQ(readEntryPath(std::string(256, 'a')).error().code, Code::kInvalidArgument);
  std::string deep;
  for (int i = 0; i < 2100; ++i) deep += "a/";
  EXPECT_EQ(readEntryPath(deep).error().code, Code::kInvalidArgument);
}

TEST(ParseChallenges, ReadsWhatRegistriesSend) {
  const auto one = parseChallenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].scheme, "bearer");
  EXPECT_EQ(one[0].parameters.at("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(one[0].parameters.at("scope"), "repository:a/b:pull,push");
  const auto two = parseChallenges(R"(Basic Realm = "a \"b\"" , BEARER realm=x,error=y)");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].parameters.at("realm"), "a \"b\"");
  EXPECT_EQ(two[1].scheme, "bearer");
  EXPECT_EQ(two[1].parameters.at("error"), "y");
}

TEST(ParseChallenges, SurvivesNonsense) {
  for (const std::string header : {"", ",,,", "=", "\"", "Bearer realm=\"", "a=b", "Bearer =x", "x\"y"})
    parseChallenges(header);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "Basic, ";
  EXPECT_LE(parseChallenges(many).size(), 16u);
}

TEST(Url, ResolvesRedirects) {
  const auto base = Url::parse("https://Reg.example:443/v2/a/blobs/x?y=z").value();
  EXPECT_EQ(base.resolve("/up")->str(), "https://reg.example:443/up");
  EXPECT_EQ(base.resolve("next")->str(), "https://reg.example:443/v2/a/blobs/next");
  EXPECT_EQ(base.resolve("?q")->str(), "https://reg.example:443/v2/a/blobs/x?q");
  EXPECT_EQ(base.resolve("//cdn.example/b")->str(), "https://cdn.example/b");
  EXPECT_EQ(base.resolve("http://cdn.example")->str(), "http://cdn.example/");
  EXPECT_EQ(base.resolve("/a?u=https://x")->str(), "https://reg.example:443/a?u=https://x");
  EXPECT_FALSE(base.resolve("").ok());
  EXPECT_FALSE(base.resolve("file:///etc/passwd").ok());
  EXPECT_FALSE(base.resolve("https://user:pw@host/").ok());
  EXPECT_FALSE(base.resolve("https://a\r\nHost: b/").ok());
}

TEST(Url, SameOriginKnowsDefaultPorts) {
  const auto base = Url::parse("https://reg.example/").value();
  EXPECT_TRUE(base.sameOrigin(Url::parse("https://reg.example:443/x").value()));
  EXPECT_FALSE(base.sameOrigin(Url::parse("http://reg.example:443/x").value()));
  EXPECT_FALSE(base.sameOrigin(Url::parse("https://reg.example:444/").value()));
  EXPECT_FALSE(base.sameOrigin(Url::parse("https://reg.example.evil/").value()));
}

TEST(EndpointFor, SpeaksPlainHttpOnlyWhereAllowed) {
  RegistryOptions options;
  options.hosts["lab:5000"].plain_http = true;
  options.hosts["127.0.0.1:5001"].ca_file = "/ca.pem";
  const std::pair<const char*, const char*> cases[] = {
      {"docker.io", "https://registry-1.docker.io/"},
      {"registry.k8s.io", "https://registry.k8s.io/"},
      {"lab:5000", "http://lab:5000/"},
      {"localhost:5000", "http://localhost:5000/"},
      {"127.0.0.1:5000", "http://127.0.0.1:5000/"},
      {"[::1]:5000", "http://[::1]:5000/"},
      {"127.0.0.1:5001", "https://127.0.0.1:5001/"},
      {"http://mirror.lan", "http://mirror.lan/"},
      {"https://lab:5000", "https://lab:5000/"},
      {"128.0.0.1", "https://128.0.0.1/"},
      {"localhost.evil.example", "https://localhost.evil.example/"},
  };
  for (const auto& [host, url] : cases) {
    const auto endpoint = endpointFor(host, options);
    ASSERT_TRUE(endpoint.ok()) << host;
    EXPECT_EQ(endpoint->base.str(), url) << host;
  }
  EXPECT_FALSE(endpointFor("http://mirror.lan/path", options).ok());
  EXPECT_FALSE(endpointFor("a b", options).ok());
}

TEST(ArchiveNames, TakesTheFullestName) {
  Descriptor entry;
  EXPECT_EQ(nameOfEntry(entry, "given:1").value(), "");
  entry.annotations["org.opencontainers.image.ref.name"] = "v2";
  EXPECT_EQ(nameOfEntry(entry, "").value(), "");
  EXPECT_EQ(nameOfEntry(entry, "team/app").value(), "docker.io/team/app:v2");
  EXPECT_EQ(nameOfEntry(entry, "team/app:mine").value(), "docker.io/team/app:mine");
  entry.annotations["org.opencontainers.image.ref.name"] = "quay.io/a/b:3";
  EXPECT_EQ(nameOfEntry(entry, "given:1").value(), "quay.io/a/b:3");
  entry.annotations["io.containerd.image.name"] = "docker.io/library/x:4";
  EXPECT_EQ(nameOfEntry(entry, "given:1").value(), "docker.io/library/x:4");
  entry.annotations["io.containerd.image.name"] = "../x";
  EXPECT_FALSE(nameOfEntry(entry, "").ok());
}

TEST(ArchiveNames, LinksStayInsideTheArchive) {
  EXPECT_EQ(linkTarget("a/layer.tar", "../b/layer.tar"), "b/layer.tar");
  EXPECT_EQ(linkTarget("layer.tar", "../../../etc/shadow"), "etc/shadow");
  EXPECT_EQ(linkTarget("a/b", "/c"), "c");
}

TEST(DecodeSavedImages, RefusesWhatIsNotOne) {
  EXPECT_FALSE(decodeSavedImages("{}").ok());
  EXPECT_FALSE(decodeSavedImages("[{}]").ok());
  EXPECT_FALSE(decodeSavedImages(R"([{"Config":"a","Layers":[1]}])").ok());
  const auto images = decodeSavedImages(R"([{"Config":"a.json","RepoTags":null,"Layers":["x/layer.tar"]}])");
  ASSERT_TRUE(images.ok());
  EXPECT_EQ(images->front().layers, std::vector<std::string>{"x/layer.tar"});
}

// ---- look-up and ledger ----

std::string digestOfLetter(char letter) { return "sha256:" + std::string(64, letter); }

Image imageWith(std::vector<std::string> tags, std::vector<std::string> digests) {
  Image image;
  image.id = digestOfLetter('1');
  image.manifest_digest = digestOfLetter('2');
  image.repo_tags = std::move(tags);
  image.repo_digests = std::move(digests);
  return image;
}

TEST(FindImage, ByTagDigestAndId) {
  const auto image = std::make_shared<const Image>(
      imageWith({"docker.io/library/nginx:1"}, {"docker.io/library/nginx@" + digestOfLetter('3')}));
  const ImageStore::Images images{image};
  for (const auto& text : std::vector<std::string>{
           "nginx:1", "docker.io/nginx:1", "nginx@" + digestOfLetter('3'), "nginx:9@" + digestOfLetter('3'),
           "nginx@" + digestOfLetter('2'), digestOfLetter('1'), std::string(64, '1')})
    EXPECT_EQ(findImage(images, text).value(), image) << text;
  for (const auto& text :
       std::vector<std::string>{"nginx", "nginx:2", "other@" + digestOfLetter('3'), digestOfLetter('2')})
    EXPECT_EQ(findImage(images, text).value(), nullptr) << text;
  EXPECT_EQ(findImage(images, "NGINX").error().code, Code::kInvalidArgument);
}

TEST(PlanUntag, TheLastTagOfARepositoryTakesItsDigests) {
  const auto digest_a = "docker.io/library/a@" + digestOfLetter('3');
  const auto digest_b = "docker.io/library/b@" + digestOfLetter('3');
  const auto image = imageWith({"docker.io/library/a:1", "docker.io/library/a:2", "docker.io/library/b:1"},
                               {digest_a, digest_b});
  EXPECT_TRUE(planUntag(image, "a:1")->digests.empty());
  EXPECT_EQ(planUntag(image, "b:1")->digests, std::vector<std::string>{digest_b});
  EXPECT_EQ(planUntag(image, "b@" + digestOfLetter('3'))->digests, std::vector<std::string>{digest_b});
  EXPECT_EQ(planUntag(image, "b@" + digestOfLetter('2'))->digests, std::vector<std::string>{digest_b});
  EXPECT_TRUE(planUntag(image, digestOfLetter('1'))->whole_image);
}

TEST(StoreLedger, ATagHasOneImage) {
  StoreLedger ledger;
  ImageRecord old;
  old.id = digestOfLetter('a');
  old.tags = {"docker.io/library/x:1", "docker.io/library/x:2"};
  ledger.images[old.id] = {old, nullptr};
  ImageRecord added;
  added.id = digestOfLetter('b');
  added.tags = {"docker.io/library/x:2"};
  const auto changed = ledger.planPut(added);
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed[0].tags, std::vector<std::string>{"docker.io/library/x:1"});
  EXPECT_EQ(changed[1].id, added.id);
}

TEST(StoreLedger, KeepsWhatIsPinnedLeasedOrPartOfAnImage) {
  StoreLedger ledger;
  const auto chain = digestOfLetter('c');
  ledger.layers[chain] = {"c", 0, false};
  EXPECT_FALSE(ledger.isLayerNeeded(chain));
  ledger.layers[chain].leases = 1;
  EXPECT_TRUE(ledger.isLayerNeeded(chain));
  ledger.layers[chain] = {"c", 0, true};
  EXPECT_TRUE(ledger.isLayerNeeded(chain));
  ledger.layers[chain] = {"c", 0, false};
  ledger.pins[chain] = 1;
  EXPECT_TRUE(ledger.isLayerNeeded(chain));
  ledger.pins.clear();
  ImageRecord record;
  record.id = digestOfLetter('1');
  record.manifest_digest = digestOfLetter('2');
  record.layers = {{digestOfLetter('3'), 1, chain}};
  ledger.images[record.id] = {record, nullptr};
  EXPECT_TRUE(ledger.isLayerNeeded(chain));
  for (const char letter : {'1', '2', '3'}) EXPECT_TRUE(ledger.isBlobNeeded(digestOfLetter(letter)));
  EXPECT_FALSE(ledger.isBlobNeeded(digestOfLetter('4')));
}

TEST(StoreLedger, ShortNamesGrowWhenTheyMeet) {
  StoreLedger ledger;
  const auto first = "sha256:" + std::string(64, 'a');
  const auto second = "sha256:" + std::string(63, 'a') + "b";
  ledger.layers[first] = {ledger.shortNameFor(first), 0, false};
  EXPECT_NE(ledger.shortNameFor(second), ledger.layers[first].short_name);
  EXPECT_TRUE(second.substr(7).starts_with(ledger.shortNameFor(second)));
}

}  // namespace
}  // namespace keelson::runtime::images
