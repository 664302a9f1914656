// Any output of a container, in reads of any size, as CRI lines: no byte is lost, added or moved, no line is
// too long.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime/shim/cri_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::runtime::shim;
  if (size == 0) return 0;
  // The first byte is the size of the reads; repeated, so that small inputs reach the limit of a line.
  const size_t read_size = 1 + data[0] * 97;
  std::string output;
  while (output.size() < 3 * kMaxLineBytes) output.append(reinterpret_cast<const char*>(data), size);
  LineSplitter splitter;
  std::string back;
  const auto emit = [&](std::string_view head, std::string_view tail, bool partial) {
    if (head.size() + tail.size() > kMaxLineBytes) std::abort();
    if (head.find('\n') != head.npos || tail.find('\n') != tail.npos) std::abort();
    back.append(head).append(tail);
    if (!partial) back += '\n';
  };
  for (size_t at = 0; at < output.size(); at += read_size)
    splitter.feed(std::string_view(output).substr(at, read_size), emit);
  splitter.finish(emit);
  if (back != output) std::abort();
  return 0;
}
