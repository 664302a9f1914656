// Layer unpacking beside `tar -xz` of the same layer, in one run.
//
//   unpack_bench [FOLDER]   works in FOLDER (default: the temporary directory) and cleans it up
//
// Prints one JSON row a line: {name, value, unit, budget, peer, peer_value, ratio}; times are medians of wall
// time, ratio is the peer's time over ours. Rounds alternate, so that both see the same machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/ids.h"
#include "runtime/images/byte_source.h"
#include "runtime/images/unpack.h"

namespace {

using namespace keelson;
using namespace keelson::runtime::images;

constexpr int kRounds = 7;

struct Layer {
  const char* name;
  const char* files;  // for the shell, seen from /
};
constexpr Layer kLayers[] = {
    {"unpack layer, gzip, many small files", "usr/include usr/share/doc"},
    {"unpack layer, gzip, programs and libraries",
     "$(find usr/bin usr/lib/*-linux-gnu -maxdepth 1 -type f -size +64k | head -n 200)"},
};

bool run(const std::string& command) {
  return std::system(command.c_str()) == 0;  // NOLINT(concurrency-mt-unsafe)
}

double secondsOf(const std::function<bool()>& work) {
  const auto start = std::chrono::steady_clock::now();
  if (!work()) return -1;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool unpackOurs(const std::string& archive, const std::string& target) {
  const auto root = DirFd::ensure(target);
  const UniqueFd file(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
  Stop stop;
  FdSource source(file.get(), archive, stop);
  DigestSource digest(source, archive, int64_t{1} << 40);  // as when a stored blob is unpacked: both digests
  return root.ok() && unpackLayer(digest, *root, {}, stop).ok() && digest.finish().ok();
}

int measure(const Layer& layer, const std::string& work) {
  const std::string archive = work + "/layer.tar.gz";
  if (!run(fmt::format("cd / && tar -czf {} {} 2>/dev/null", archive, layer.files))) return 1;
  std::vector<double> ours, theirs;
  for (int round = 0; round < kRounds; ++round) {
    const std::string a = work + "/a", b = work + "/b";
    ours.push_back(secondsOf([&] { return unpackOurs(archive, a); }));
    theirs.push_back(secondsOf([&] {
      return DirFd::ensure(b).ok() &&
             run(fmt::format("tar -xzpf {} --same-owner --numeric-owner -C {}", archive, b));
    }));
    if (ours.back() < 0 || theirs.back() < 0 || !run(fmt::format("rm -rf {} {}", a, b))) return 1;
  }
  const double value = median(ours) * 1e3, peer = median(theirs) * 1e3;
  fmt::print(
      "{{\"name\": \"{}\", \"value\": {:.1f}, \"unit\": \"ms\", \"budget\": {:.1f}, \"peer\": \"tar -xz\", "
      "\"peer_value\": {:.1f}, \"ratio\": {:.2f}}}\n",
      layer.name, value, peer, peer, peer / value);
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string base = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const std::string work = base + "/keelson-unpack-bench-" + randomHex(6);
  if (!std::filesystem::create_directories(work)) return 1;
  int failed = 0;
  for (const auto& layer : kLayers) failed |= measure(layer, work);
  std::error_code ignored;
  std::filesystem::remove_all(work, ignored);
  return failed;
}
