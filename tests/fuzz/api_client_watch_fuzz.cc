// A watch in any pieces: the first byte says how large they are. The lines are the same however they are cut,
// and decoding them crashes nothing.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/client/lines.h"
#include "api/client/watch_decode.h"
#include "api/codec.h"
#include "api/config_map.h"

namespace {

using namespace keelson;
using namespace keelson::api;

Result<std::shared_ptr<const void>> decodeConfigMap(const json::value& value) {
  auto decoded = decode<ConfigMap>(value);
  if (!decoded) return std::move(decoded).error();
  return std::shared_ptr<const void>(std::make_shared<const ConfigMap>(std::move(decoded->value)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr size_t kMaxLine = 4096;
  const size_t piece = data[0] % 64U + 1;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  client::LineSplitter splitter(kMaxLine);
  std::string lines;
  for (size_t at = 0; at < text.size(); at += piece) {
    if (!splitter.add(text.substr(at, piece))) return 0;
    lines += splitter.take();
  }
  if (lines + splitter.partial() != text) std::abort();
  client::ObjectTable table;
  std::vector<client::ObjectChange> changes;
  for (auto& event : client::decodeWatch(lines, &decodeConfigMap).events) {
    if (event.type == client::WatchEvent::Type::kSet) {
      table.set(std::move(event.item), changes);
    } else {
      table.remove(std::move(event.item), changes);
    }
  }
  if (table.size() > changes.size()) std::abort();
  return 0;
}
