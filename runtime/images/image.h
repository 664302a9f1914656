// What the rest of the node knows about an image.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/units.h"

namespace keelson::runtime {

// The part of the OCI image configuration that decides how a container runs.
// https://github.com/opencontainers/image-spec/blob/main/config.md
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // "NAME=value", in order
  std::string user;              // "", "uid", "uid:gid", "name", "name:group"
  std::string working_dir;
  std::string stop_signal;
  std::vector<std::string> volumes;  // anonymous volumes, absolute paths
  std::map<std::string, std::string> labels;
};

// An image that is whole on this node. A plain value; any thread.
struct Image {
  std::string id;                            // "sha256:<hex>" of its configuration
  std::string manifest_digest;               // "sha256:<hex>" of the manifest for this platform
  std::vector<std::string> repo_tags;        // "docker.io/library/nginx:stable-alpine"
  std::vector<std::string> repo_digests;     // "docker.io/library/nginx@sha256:..."
  std::vector<std::string> layer_chain_ids;  // bottom first
  Bytes size;                                // compressed blobs
  std::optional<WallTime> created;
  WallTime pulled;
  ImageConfig config;
};

}  // namespace keelson::runtime
