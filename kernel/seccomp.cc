#include "kernel/seccomp.h"

#include <map>

#include "base/guarded.h"
#include "kernel/seccomp_profile.h"

namespace keelson::kernel {
namespace {

// Sets of capabilities are chosen by users; beyond so many, programs are compiled anew each time.
constexpr size_t kMaxCached = 64;

Guarded<std::map<uint64_t, std::string>>& cache() {
  static Guarded<std::map<uint64_t, std::string>> programs;
  return programs;
}

}  // namespace

Result<std::string> runtimeDefaultSeccomp(uint64_t capabilities) {
  const uint64_t key = capabilities & seccompCapabilities();
  std::string program = cache().with([key](const auto& programs) {
    const auto found = programs.find(key);
    return found == programs.end() ? std::string() : found->second;
  });
  if (!program.empty()) return program;
  program = TRY_CTX(compileSeccomp(defaultSeccompProfile(key)), "RuntimeDefault");
  cache().with([&](auto& programs) {
    if (programs.size() < kMaxCached) programs.emplace(key, program);
  });
  return program;
}

Result<std::string> compileSeccompProfile(std::string_view profile_json, uint64_t capabilities) {
  const SeccompProfile profile = TRY(decodeSeccompProfile(profile_json, capabilities));
  return compileSeccomp(profile);
}

}  // namespace keelson::kernel
