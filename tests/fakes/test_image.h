// Whole images for tests, made from layer tars.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/sha256.h"
#include "tests/fakes/fake_registry.h"
#include "tests/fakes/layer_tar.h"

namespace keelson::fakes {

struct TestImage {
  std::string config, config_digest;
  std::string manifest, manifest_digest;
  std::vector<std::string> layers, layer_digests, diff_ids;  // layers as blobs

  // Serves it from `host` and returns the manifest's digest.
  std::string pushTo(FakeHost& host, const std::string& repository, const std::string& tag) const {
    host.addBlob(config);
    for (const auto& layer : layers) host.addBlob(layer);
    return host.addManifest(repository, tag, manifest, "application/vnd.oci.image.manifest.v1+json");
  }
};

enum class Packing { kPlain, kGzip, kZstd };

// An image with the given tars as layers. `marker` makes otherwise equal images differ.
inline TestImage makeImage(const std::vector<std::string>& tars, const std::string& marker = "",
                           Packing packing = Packing::kGzip) {
  TestImage image;
  json::array diff_ids, layers;
  for (const auto& tar : tars) {
    image.diff_ids.push_back("sha256:" + sha256Hex(tar));
    image.layers.push_back(packing == Packing::kGzip   ? gzipped(tar)
                           : packing == Packing::kZstd ? zstdPacked(tar)
                                                       : tar);
    image.layer_digests.push_back("sha256:" + sha256Hex(image.layers.back()));
    diff_ids.emplace_back(image.diff_ids.back());
    layers.push_back(json::object{{"mediaType", "application/vnd.oci.image.layer.v1.tar+gzip"},
                                  {"digest", image.layer_digests.back()},
                                  {"size", image.layers.back().size()}});
  }
  image.config = json::serialize(json::object{
      {"os", "linux"},
      {"architecture", "amd64"},
      {"created", "2024-05-06T07:08:09Z"},
      {"config",
       {{"Cmd", {"/bin/app", marker}}, {"Env", {"PATH=/bin"}}, {"User", "7"}, {"StopSignal", "SIGQUIT"}}},
      {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}});
  image.config_digest = "sha256:" + sha256Hex(image.config);
  image.manifest = json::serialize(json::object{{"schemaVersion", 2},
                                                {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                                {"config",
                                                 {{"mediaType", "application/vnd.oci.image.config.v1+json"},
                                                  {"digest", image.config_digest},
                                                  {"size", image.config.size()}}},
                                                {"layers", layers}});
  image.manifest_digest = "sha256:" + sha256Hex(image.manifest);
  return image;
}

}  // namespace keelson::fakes
