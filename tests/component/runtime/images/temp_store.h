// A folder for one test's images, removed afterwards.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/ids.h"
#include "runtime/images/native_image_service.h"
#include "tests/fakes/fake_registry.h"

namespace keelson::fakes {

class TempStore : public ::testing::Test {
 protected:
  TempStore()
      : work_(::testing::TempDir() + "keelson-images-" + randomHex(6)),
        root_(work_ + "/images"),
        kept_(work_ + "/kept") {}
  ~TempStore() override {
    service_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(work_, ignored);
  }

  runtime::NativeImageOptions options() const {
    runtime::NativeImageOptions options;
    options.root = root_;
    options.registries = registries_;
    options.boot_id = boot_id_;
    return options;
  }
  // A new daemon over the same folder.
  runtime::NativeImageService& restart() {
    service_.reset();
    auto opened = runtime::NativeImageService::open(options(), http_, realClock());
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().text);
    service_ = std::move(opened).value();
    return *service_;
  }
  runtime::NativeImageService& service() { return service_ ? *service_ : restart(); }

  Result<std::shared_ptr<const runtime::Image>> pull(
      const std::string& name, const std::vector<runtime::RegistryCredentials>& credentials = {}) {
    Stop stop(std::chrono::seconds(20));
    return service().pull(name, credentials, {}, stop);
  }
  size_t filesIn(const std::string& folder) const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root_ + "/" + folder)) {
      static_cast<void>(entry);
      ++count;
    }
    return count;
  }
  // Nothing half-made and nothing half-deleted.
  void expectTidy() const {
    EXPECT_EQ(filesIn("tmp"), 0u);
    EXPECT_EQ(filesIn("trash"), 0u);
  }
  // The content of a file of an image, looked for from the top layer down; "" if absent.
  std::string fileOf(const runtime::Image& image, const std::string& path) {
    auto layers = service().openLayers(image);
    EXPECT_TRUE(layers.ok()) << (layers.ok() ? "" : layers.error().text);
    if (!layers) return "";
    for (const auto& layer : layers->top_first)
      if (auto content = layer.readFile(path, 1 << 20)) return *content;
    return "";
  }

  std::string work_, root_;
  std::string kept_;  // room for copies, not made yet
  std::string boot_id_ = "boot-one";
  runtime::RegistryOptions registries_;
  FakeRegistry http_;
  std::unique_ptr<runtime::NativeImageService> service_;
};

}  // namespace keelson::fakes
