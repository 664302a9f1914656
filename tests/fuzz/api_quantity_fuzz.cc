// Any text as a quantity: the canonical text means the same amount.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/quantity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using keelson::api::Quantity;
  const auto quantity = Quantity::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!quantity) return 0;
  const auto again = Quantity::parse(quantity->str());
  if (!again || *again != *quantity || again->str() != quantity->str()) std::abort();
  if ((*quantity + Quantity()).str() != quantity->str()) std::abort();
  return 0;
}
