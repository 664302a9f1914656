// Runs a fuzzer's seeds as a plain test, for compilers without libFuzzer: every file of the folder given
// as argument is fed once. A second argument N adds N mutations of each (bytes flipped, cut, doubled), the
// same ones in every run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void feed(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string mutated(std::string bytes, const std::string& other, std::mt19937& random) {
  const auto below = [&random](size_t bound) { return bound == 0 ? 0 : random() % bound; };
  const size_t rounds = 1 + below(8);
  for (size_t i = 0; i < rounds; ++i) {
    const size_t at = below(bytes.size() + 1);
    const size_t length = std::min(below(32), bytes.size() - at);
    switch (below(5)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 3: {
        const size_t from = below(other.size() + 1);
        bytes.insert(at, other.substr(from, below(64)));
        break;
      }
      default:
        bytes.insert(at, 1, "\"'{}[]:,-&*!|>#?%@`~\n \t\\"[below(24)]);
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [MUTATIONS]\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) {
    std::fprintf(stderr, "%s: no seeds\n", argv[1]);
    return 1;
  }
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    feed(seeds.back());
  }
  const long mutations = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 0;
  std::mt19937 random(1);
  for (long i = 0; i < mutations; ++i) {
    for (const auto& seed : seeds) feed(mutated(seed, seeds[random() % seeds.size()], random));
  }
  std::printf("%zu seeds, %ld mutations of each\n", seeds.size(), mutations);
  return 0;
}
