// The same script against the registries in this process and Debian's docker-registry: what the fake says
// must be what the real one says.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/http.h"
#include "runtime/images/native_image_service.h"
#include "tests/fakes/fake_registry.h"
#include "tests/fakes/test_image.h"
#include "tests/paths.h"
#include "tests/root/fixture.h"

namespace keelson::runtime {
namespace {

namespace fs = std::filesystem;
using fakes::LayerTar;

// tests/images/registry.py with the archives of a folder pushed. Lives until its standard input is closed.
class RealRegistry {
 public:
  bool start(const std::string& archives, const std::string& storage) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return false;
    stdin_ = UniqueFd(in[1]);
    const UniqueFd child_in(in[0]), child_out(out[1]), answer(out[0]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, child_out.get(), 1);
    std::string script = test::sourcePath("tests/images/registry.py"), archives_copy = archives,
                storage_copy = storage;
    std::string python = "python3", no_cache = "-B";
    char* arguments[] = {python.data(),        no_cache.data(),     script.data(),
                         archives_copy.data(), storage_copy.data(), nullptr};
    pid_t pid = 0;
    const bool spawned = posix_spawnp(&pid, "python3", &actions, nullptr, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    if (!spawned) return false;
    pollfd ready{answer.get(), POLLIN, 0};
    if (poll(&ready, 1, 30'000) != 1) return false;
    char line[100];
    const ssize_t got = read(answer.get(), line, sizeof line);
    if (got <= 1) return false;
    address_.assign(line, static_cast<size_t>(got) - 1);
    return true;
  }
  const std::string& address() const { return address_; }

 private:
  UniqueFd stdin_;
  std::string address_;
};

void writeArchive(const fakes::TestImage& image, const std::string& name, const std::string& path) {
  LayerTar tar;
  tar.file(
      "index.json",
      fmt::format(
          R"({{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"io.containerd.image.name":"docker.io/{}"}}}}]}})",
          image.manifest_digest, image.manifest.size(), name));
  for (size_t i = 0; i < image.layers.size(); ++i)
    tar.file("blobs/sha256/" + image.layer_digests[i].substr(7), image.layers[i]);
  tar.file("blobs/sha256/" + image.config_digest.substr(7), image.config);
  tar.file("blobs/sha256/" + image.manifest_digest.substr(7), image.manifest);
  std::ofstream(path, std::ios::binary) << tar.bytes();
}

// What both must answer. `registry` is the mirror of docker.io.
void runScript(const std::string& root, const std::string& registry, HttpClient& http,
               const fakes::TestImage& image) {
  NativeImageOptions options;
  options.root = root;
  options.registries.hosts["docker.io"].mirrors = {"http://" + registry};
  options.registries.hosts["registry-1.docker.io"].plain_http = true;
  auto opened = NativeImageService::open(options, http, realClock());
  ASSERT_TRUE(opened.ok()) << opened.error().text;
  auto& service = **opened;
  // The mirror alone is asked: docker.io itself is as far as the test's network is concerned not there.
  const auto pull = [&](const std::string& name) {
    Stop stop(std::chrono::seconds(30));
    return service.pull(registry + "/" + name, {}, {}, stop);
  };
  const auto by_tag = pull("library/app:1");
  ASSERT_TRUE(by_tag.ok()) << by_tag.error().text;
  EXPECT_EQ((*by_tag)->id, image.config_digest);
  EXPECT_EQ((*by_tag)->repo_digests,
            std::vector<std::string>{registry + "/library/app@" + image.manifest_digest});
  Stop stop(std::chrono::seconds(30));
  const auto by_mirror = service.pull("app:1", {}, {}, stop);
  ASSERT_TRUE(by_mirror.ok()) << by_mirror.error().text;
  EXPECT_EQ((*by_mirror)->id, image.config_digest);
  EXPECT_TRUE(pull("library/app@" + image.manifest_digest).ok());
  EXPECT_EQ(pull("library/app:none").error().code, Code::kNotFound);
  EXPECT_EQ(pull("library/nobody:1").error().code, Code::kNotFound);
  EXPECT_EQ(pull("library/app@sha256:" + std::string(64, '0')).error().code, Code::kNotFound);
  const auto layers = service.openLayers(**by_tag);
  ASSERT_TRUE(layers.ok()) << layers.error().text;
  EXPECT_EQ(layers->top_first[0].readFile("b", 10).value(), "b");
  EXPECT_TRUE(service.remove(image.config_digest).ok());
  EXPECT_TRUE(service.list().empty());
}

// A registry that hands a blob over in the middle, asked as the puller asks.
void expectRanges(HttpClient& http, const std::string& registry, const std::string& digest) {
  HttpRequest request;
  request.url = "http://" + registry + "/v2/library/app/blobs/" + digest;
  request.headers = {{"Range", "bytes=5-5"}};
  Stop stop(std::chrono::seconds(10));
  const auto response = http.send(request, stop);
  ASSERT_TRUE(response.ok()) << response.error().text;
  EXPECT_EQ(response->status, 206);
  EXPECT_TRUE(response->headers.at("content-range").starts_with("bytes 5-5/"));
}

// Where `make images` puts its things, unless the environment names another folder.
std::string builtImages() {
  const char* named = std::getenv("KEELSON_IMAGES");  // NOLINT(concurrency-mt-unsafe)
  return named != nullptr ? named : test::sourcePath("build/images");
}

bool haveRegistry() {
  return fs::exists(builtImages() + "/docker-registry") || fs::exists("/usr/bin/docker-registry");
}

ROOT_TEST(RegistryParity, FakeAndRealAnswerAlike) {
  if (!haveRegistry()) GTEST_SKIP() << "no docker-registry: run make images";
  const auto image = fakes::makeImage({LayerTar().file("a", "a").bytes(), LayerTar().file("b", "b").bytes()});
  const std::string archives = world.scratch + "/archives";
  fs::create_directories(archives);
  writeArchive(image, "library/app:1", archives + "/app.tar");
  if (fs::exists(builtImages() + "/docker-registry"))
    fs::create_symlink(fs::absolute(builtImages() + "/docker-registry"), archives + "/docker-registry");

  RealRegistry real;
  ASSERT_TRUE(real.start(archives, world.scratch + "/storage"));
  const auto http = makeHttpClient();
  runScript(world.scratch + "/real", real.address(), *http, image);
  expectRanges(*http, real.address(), image.layer_digests[0]);

  fakes::FakeRegistry fake;
  fake.plain_hosts.insert(real.address());
  image.pushTo(fake.hosts[real.address()], "library/app", "1");
  runScript(world.scratch + "/fake", real.address(), fake, image);
  expectRanges(fake, real.address(), image.layer_digests[0]);
}

ROOT_TEST(TestImages, ArePulledFromDebiansRegistryAsTheDemoDoes) {
  if (!fs::exists(builtImages() + "/images.done")) GTEST_SKIP() << "no test images: run make images";
  RealRegistry real;
  ASSERT_TRUE(real.start(fs::absolute(builtImages()), world.scratch + "/storage"));
  const auto http = makeHttpClient();
  NativeImageOptions options;
  options.root = world.scratch + "/images";
  options.registries.hosts["docker.io"].mirrors = {"http://" + real.address()};
  auto service = NativeImageService::open(options, *http, realClock()).value();
  for (const std::string name : {"nginx:stable-alpine", "alpine:latest"}) {
    Stop stop(std::chrono::seconds(60));
    const auto image = service->pull(name, {}, {}, stop);
    ASSERT_TRUE(image.ok()) << image.error().text;
    const auto layers = service->openLayers(**image);
    ASSERT_TRUE(layers.ok());
    struct stat status {};
    ASSERT_EQ(fstatat(layers->top_first.back().get(), "tmp", &status, 0), 0);
    EXPECT_EQ(status.st_mode & 07777, 01777u);
    if (name == "alpine:latest") continue;
    EXPECT_EQ((*image)->config.stop_signal, "SIGQUIT");
    // Undescribed in the top layer; below it stands with mode 0755 and a time of its own.
    ASSERT_EQ(fstatat(layers->top_first[0].get(), "var/log/nginx", &status, 0), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, 1'700'000'000);
  }
  // Two base layers are shared.
  EXPECT_EQ(std::distance(fs::directory_iterator(options.root + "/layers"), fs::directory_iterator()), 4);
}

}  // namespace
}  // namespace keelson::runtime
