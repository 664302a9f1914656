// Any bytes as a layer, unpacked for real beside bait that must stay as it is.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/ids.h"
#include "runtime/images/byte_source.h"
#include "runtime/images/unpack.h"

namespace {

using namespace keelson;
using namespace keelson::runtime::images;

// Hands the input over in two pieces, as a connection may.
class InputSource : public ByteSource {
 public:
  explicit InputSource(std::string_view input) : left_(input) {}
  Result<std::string_view> next() override {
    const auto piece = left_.substr(0, left_.size() / 2 + 1);
    left_.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::string_view left_;
};

// One folder for the whole run, removed at its end.
class World {
 public:
  World() : path(std::filesystem::temp_directory_path() / ("keelson-fuzz-" + randomHex(6))) {
    std::filesystem::create_directories(path);
    directory = DirFd::open(path).value();
    std::ofstream(path + "/bait") << "bait";
  }
  ~World() {
    const auto above = DirFd::open(std::filesystem::temp_directory_path());
    if (above) static_cast<void>(above->removeTree(std::filesystem::path(path).filename()).ok());
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  std::string path;
  DirFd directory;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  const auto root = world.directory.ensureDir("layer");
  if (!root) std::abort();
  UnpackLimits limits;
  limits.bytes = 4 << 20;
  limits.ratio_free = 1 << 20;
  limits.inodes = 300;
  Stop stop;
  InputSource source(std::string_view(reinterpret_cast<const char*>(data), size));
  static_cast<void>(unpackLayer(source, *root, limits, stop).ok());
  if (!world.directory.removeTree("layer")) std::abort();
  const auto bait = world.directory.readFile("bait", 100);
  const auto left = world.directory.list();
  if (!bait || *bait != "bait" || !left || left->size() != 1) std::abort();
  return 0;
}
