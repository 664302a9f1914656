#include "runtime/wire.h"

namespace keelson::runtime::wire_detail {

void appendRaw(std::string& out, const void* data, size_t size) {
  out.append(static_cast<const char*>(data), size);
}

bool takeSized(std::string_view& in, std::string_view& piece) {
  uint32_t length = 0;
  if (in.size() < sizeof length) return false;
  std::memcpy(&length, in.data(), sizeof length);
  in.remove_prefix(sizeof length);
  if (in.size() < length) return false;
  piece = in.substr(0, length);
  in.remove_prefix(length);
  return true;
}

}  // namespace keelson::runtime::wire_detail
