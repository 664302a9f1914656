// Quantities with their unit in the type.
#pragma once

#include <compare>
#include <cstdint>

namespace keelson {

template <class Tag>
struct Amount {
  int64_t value = 0;
  auto operator<=>(const Amount&) const = default;
  Amount& operator+=(Amount other) {
    value += other.value;
    return *this;
  }
};

using Bytes = Amount<struct BytesTag>;
using Millicpu = Amount<struct MillicpuTag>;  // thousandths of a core

}  // namespace keelson
