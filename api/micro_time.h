// metav1.MicroTime: a time that JSON shows with six fraction digits (renewTime, eventTime).
#pragma once

#include <compare>

#include "api/decoder.h"
#include "api/encoder.h"
#include "base/clock.h"

namespace keelson::api {

// A plain value; any thread.
struct MicroTime {
  WallTime at;
  auto operator<=>(const MicroTime&) const = default;
};

// "2026-11-20T16:51:48.123456Z"
inline json::value encodeValue(const MicroTime& in) {
  constexpr size_t kToMicroseconds = sizeof("2026-11-20T16:51:48.123456") - 1;
  return json::string(formatTimeNano(in.at).substr(0, kToMicroseconds) + "Z");
}

inline void decodeValue(const json::value& in, MicroTime& out, const Step* at, DecodeReport& report) {
  decodeValue(in, out.at, at, report);
}

}  // namespace keelson::api
