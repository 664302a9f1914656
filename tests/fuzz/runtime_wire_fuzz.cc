// Any bytes as a message between daemon and shim: what is accepted means the same after another round.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/shim_protocol.h"
#include "runtime/wire.h"

namespace {

template <class T>
void roundTrip(std::string_view bytes) {
  const auto decoded = keelson::runtime::decodeWire<T>(bytes);
  if (!decoded) return;
  const std::string encoded = keelson::runtime::encodeWire(*decoded);
  const auto again = keelson::runtime::decodeWire<T>(encoded);
  if (!again || keelson::runtime::encodeWire(*again) != encoded) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::runtime;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  roundTrip<SandboxPlan>(bytes);
  roundTrip<StartContainer>(bytes);
  roundTrip<State>(bytes);
  roundTrip<Exec>(bytes);
  roundTrip<WireError>(bytes);
  roundTrip<HostPathWire>(bytes);
  return 0;
}
