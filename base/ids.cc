#include "base/ids.h"

#include <sys/random.h>

#include <cstdlib>
#include <vector>

namespace keelson {

std::string randomHex(size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = getrandom(raw.data() + have, bytes - have, 0);
    if (got < 0 && errno != EINTR) std::abort();  // cannot happen once the pool is initialised
    if (got > 0) have += static_cast<size_t>(got);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes * 2);
  for (const unsigned char byte : raw) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

ContainerId makeContainerId() { return ContainerId(randomHex(32)); }

}  // namespace keelson
