// An image store and registry in memory, for tests of what stands above runtime::ImageService.
#pragma once

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/images/image_service.h"

namespace keelson::fakes {

// Stateful and strict: an image is found only after it was put here or pulled from the fake
// registry; removing an image that is not here is kNotFound. Any thread.
class FakeImages : public runtime::ImageService {
 public:
  // ---- what a test does to it ----

  // Names are written out as containerd does ("nginx" is docker.io/library/nginx:latest). `layers`
  // are directories that stand for the unpacked layers, top first.
  void putLocal(const std::string& reference, runtime::ImageConfig config = {},
                std::vector<std::string> layers = {}) {
    state_.with(
        [&](State& state) { put(state.local, state, reference, std::move(config), std::move(layers)); });
  }
  void putRemote(const std::string& reference, runtime::ImageConfig config = {},
                 std::vector<std::string> layers = {}) {
    state_.with(
        [&](State& state) { put(state.remote, state, reference, std::move(config), std::move(layers)); });
  }
  // Pulls of `reference` fail with `error` until clearFailure().
  void failPull(const std::string& reference, Error error) {
    state_.with([&](State& state) { state.failures[normalize(reference)] = std::move(error); });
  }
  void clearFailure(const std::string& reference) {
    state_.with([&](State& state) { state.failures.erase(normalize(reference)); });
  }
  // Pulls block until releasePulls(), or their Stop ends.
  void holdPulls() {
    auto gate = std::make_shared<std::promise<void>>();
    state_.with([&](State& state) {
      state.gate = gate;
      state.held = gate->get_future().share();
    });
  }
  void releasePulls() {
    const auto gate = state_.with([](State& state) {
      state.held = {};
      return std::exchange(state.gate, nullptr);
    });
    if (gate) gate->set_value();
  }

  // ---- what a test asks it ----

  // References in the order of their pulls, failed ones included.
  std::vector<std::string> pulls() const {
    return state_.with([](const State& state) { return state.pulls; });
  }
  std::vector<runtime::RegistryCredentials> lastCredentials() const {
    return state_.with([](const State& state) { return state.credentials; });
  }

  // ---- runtime::ImageService ----

  Result<std::shared_ptr<const runtime::Image>> find(const std::string& reference) const override {
    if (reference.empty() || reference.find(' ') != std::string::npos) return badName(reference);
    return state_.with([&](const State& state) -> std::shared_ptr<const runtime::Image> {
      const auto found = state.local.find(normalize(reference));
      if (found != state.local.end()) return found->second.image;
      for (const auto& [name, entry] : state.local) {
        if (entry.image->id == reference) return entry.image;
      }
      return nullptr;
    });
  }

  std::vector<std::shared_ptr<const runtime::Image>> list() const override {
    return state_.with([](const State& state) {
      std::vector<std::shared_ptr<const runtime::Image>> all;
      for (const auto& [name, entry] : state.local) all.push_back(entry.image);
      return all;
    });
  }

  Result<std::shared_ptr<const runtime::Image>> pull(
      const std::string& reference, const std::vector<runtime::RegistryCredentials>& credentials,
      const std::function<void(const runtime::PullProgress&)>& progress, Stop& stop) override {
    if (reference.empty() || reference.find(' ') != std::string::npos) return badName(reference);
    const auto held = state_.with([&](State& state) {
      state.pulls.push_back(reference);
      state.credentials = credentials;
      return state.held;
    });
    if (progress) progress({Bytes{0}, Bytes{0}, "resolving"});
    while (held.valid() && held.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      TRY(stop.check("pull " + reference));
    }
    return state_.with([&](State& state) -> Result<std::shared_ptr<const runtime::Image>> {
      const std::string name = normalize(reference);
      const auto failure = state.failures.find(name);
      if (failure != state.failures.end()) return failure->second;
      const auto remote = state.remote.find(name);
      if (remote == state.remote.end()) {
        return makeError(Code::kNotFound, "failed to resolve reference \"{}\": not found", name);
      }
      state.local[name] = remote->second;
      return remote->second.image;
    });
  }

  Result<std::vector<std::shared_ptr<const runtime::Image>>> importArchive(int, const std::string& name,
                                                                           Stop&) override {
    if (name.empty()) return makeError(Code::kInvalidArgument, "import: the archive carries no name");
    putLocal(name);
    auto image = TRY(find(name));
    return std::vector<std::shared_ptr<const runtime::Image>>{std::move(image)};
  }

  Result<void> remove(const std::string& reference) override {
    return state_.with([&](State& state) -> Result<void> {
      if (state.local.erase(normalize(reference)) > 0) return {};
      const auto by_id = [&](const auto& each) { return each.second.image->id == reference; };
      if (std::erase_if(state.local, by_id) > 0) return {};
      return makeError(Code::kNotFound, "image {}: not found", reference);
    });
  }

  Result<runtime::ImageLayers> openLayers(const runtime::Image& image) const override {
    const auto layers = TRY(state_.with([&](const State& state) -> Result<std::vector<std::string>> {
      for (const auto& [name, entry] : state.local) {
        if (entry.image->id == image.id) return entry.layers;
      }
      return makeError(Code::kNotFound, "layers of image {}: not found", image.id);
    }));
    runtime::ImageLayers open;
    for (const auto& layer : layers) open.top_first.push_back(TRY(DirFd::open(layer)));
    open.lease = std::make_shared<int>(0);
    return open;
  }

  ErrorList cleanUp() override { return {}; }

 private:
  struct Entry {
    std::shared_ptr<const runtime::Image> image;
    std::vector<std::string> layers;
  };
  struct State {
    std::map<std::string, Entry> local, remote;
    std::map<std::string, Error> failures;
    std::shared_ptr<std::promise<void>> gate;
    std::shared_future<void> held;
    std::vector<std::string> pulls;
    std::vector<runtime::RegistryCredentials> credentials;
    uint64_t next_id = 1;
  };

  static Error badName(const std::string& reference) {
    return makeError(Code::kInvalidArgument, "couldn't parse image name \"{}\": invalid reference format",
                     reference);
  }

  static std::string normalize(const std::string& reference) {
    std::string name = reference;
    const size_t slash = name.find('/');
    const std::string first = slash == std::string::npos ? "" : name.substr(0, slash);
    const bool has_host = first.find_first_of(".:") != std::string::npos || first == "localhost";
    if (slash == std::string::npos) name = "library/" + name;
    if (!has_host) name = "docker.io/" + name;
    if (name.find('@') == std::string::npos && name.find(':', name.rfind('/')) == std::string::npos) {
      name += ":latest";
    }
    return name;
  }

  static void put(std::map<std::string, Entry>& where, State& state, const std::string& reference,
                  runtime::ImageConfig config, std::vector<std::string> layers) {
    const std::string name = normalize(reference);
    auto image = std::make_shared<runtime::Image>();
    image->id = fmt::format("sha256:{:064x}", state.next_id++);
    image->manifest_digest = fmt::format("sha256:{:064x}", state.next_id++);
    image->repo_tags = {name};
    image->repo_digests = {name.substr(0, name.rfind(':')) + "@" + image->manifest_digest};
    image->size = Bytes{1 << 20};
    image->config = std::move(config);
    where[name] = Entry{std::move(image), std::move(layers)};
  }

  Guarded<State> state_;
};

}  // namespace keelson::fakes
