// Watches the manifest folder and tells its content whenever it changed.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "kubelet/manifest_folder.h"

namespace keelson::kubelet {

// inotify(7) on the loop plus a full look every `frequency`; reading happens on a strand of `lane`, so that a
// slow disk holds up nobody. Owned by the kubelet. Home: loop.
class ManifestSource {
 public:
  using Listener = std::function<void(std::shared_ptr<const ManifestSnapshot>)>;
  struct Settings {
    std::string path;
    std::string node_name;
    Duration frequency{0};
  };
  ManifestSource(Loop& loop, Lane& lane, Clock& clock, Settings settings);
  ~ManifestSource();

  // Before start(): what an earlier life runs from a file of the folder, see ManifestFolder::seed().
  void seed(const ManifestSnapshot::Entry& entry);
  // Reads once, on the calling thread, and starts to watch. The listener runs on the loop from then on, for
  // every look. An error if the folder cannot be read.
  Result<std::shared_ptr<const ManifestSnapshot>> start(Listener listener);
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::kubelet
