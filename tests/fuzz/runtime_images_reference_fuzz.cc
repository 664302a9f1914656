// Any text as an image reference: the full form reads as itself and keeps to the grammar's alphabet.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/images/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using keelson::runtime::images::parseReference;
  const auto reference = parseReference(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!reference) return 0;
  const auto full = reference->str();
  const auto again = parseReference(full);
  if (!again || again->str() != full) std::abort();
  for (const char c : full)
    if (c <= ' ' || c >= 0x7f) std::abort();
  if (full.find("..") != std::string::npos && reference->path.find("..") != std::string::npos) std::abort();
  return 0;
}
