// Any bytes from a SPDY client, in two cuts: what is accepted is the same frames either way.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kubelet/server/spdy_frames.h"

namespace {

namespace spdy = keelson::kubelet::server::spdy;

// A few numbers that do not depend on how data was cut.
struct Sum {
  size_t bytes = 0, control = 0, headers = 0;
  bool failed = false;
  bool operator==(const Sum&) const = default;
};

void add(Sum& sum, const keelson::Result<std::vector<spdy::Frame>>& frames) {
  if (!frames) {
    sum.failed = true;
    return;
  }
  for (const auto& frame : *frames) {
    if (const auto* data = std::get_if<spdy::Data>(&frame)) {
      sum.bytes += data->bytes.size();
      continue;
    }
    ++sum.control;
    if (const auto* syn = std::get_if<spdy::SynStream>(&frame)) sum.headers += syn->headers.size();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Sum whole, cut;
  spdy::Reader one, two;
  add(whole, one.feed(bytes));
  for (size_t at = 0; at < size && !cut.failed; at += 3) add(cut, two.feed(bytes.substr(at, 3)));
  if (whole.failed != cut.failed || (!whole.failed && !(whole == cut))) std::abort();
  return 0;
}
