// Go's duration syntax (https://pkg.go.dev/time#ParseDuration).
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/clock.h"

namespace keelson {
namespace {

struct Unit {
  std::string_view name;
  uint64_t nanoseconds;
};

constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kMillisecond = 1'000 * kMicrosecond;
constexpr uint64_t kSecond = 1'000 * kMillisecond;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
// The two micro signs are U+00B5 and U+03BC; Go takes both.
constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                      {"us", kMicrosecond},
                                      {"\u00b5s", kMicrosecond},
                                      {"\u03bcs", kMicrosecond},
                                      {"ms", kMillisecond},
                                      {"s", kSecond},
                                      {"m", kMinute},
                                      {"h", kHour}}};
constexpr uint64_t kMaxMagnitude = uint64_t{1} << 63;  // of the most negative duration

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// One "<number><unit>" off the front of `text`, in nanoseconds.
std::optional<uint64_t> takeTerm(std::string_view& text) {
  uint64_t whole = 0;
  size_t at = 0;
  for (; at < text.size() && isDigit(text[at]); ++at) {
    if (__builtin_mul_overflow(whole, uint64_t{10}, &whole)) return std::nullopt;
    if (__builtin_add_overflow(whole, static_cast<uint64_t>(text[at] - '0'), &whole)) return std::nullopt;
  }
  bool any = at > 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && isDigit(text[at]); ++at) {
      any = true;
      if (scale > kHour) continue;  // digits finer than a nanosecond of an hour change nothing
      fraction = fraction * 10 + static_cast<uint64_t>(text[at] - '0');
      scale *= 10;
    }
  }
  if (!any) return std::nullopt;
  text.remove_prefix(at);
  const size_t unit_end = text.find_first_of("0123456789.");
  const std::string_view name = text.substr(0, unit_end);
  for (const Unit& unit : kUnits) {
    if (unit.name != name) continue;
    text.remove_prefix(name.size());
    uint64_t total = 0;
    if (__builtin_mul_overflow(whole, unit.nanoseconds, &total)) return std::nullopt;
    const auto part = static_cast<unsigned __int128>(fraction) * unit.nanoseconds / scale;
    if (__builtin_add_overflow(total, static_cast<uint64_t>(part), &total)) return std::nullopt;
    return total;
  }
  return std::nullopt;
}

Error badDuration(std::string_view text) {
  return makeError(Code::kInvalidArgument, "\"{}\" is not a duration such as \"1m30s\"", text.substr(0, 64));
}

// `value` over `unit` with its fraction and no trailing zeros: 1.5.
std::string decimal(uint64_t value, uint64_t unit) {
  std::string text = std::to_string(value / unit);
  uint64_t rest = value % unit;
  if (rest != 0) text += '.';
  for (uint64_t digit = unit / 10; rest != 0; digit /= 10) {
    text += static_cast<char>('0' + rest / digit);
    rest %= digit;
  }
  return text;
}

}  // namespace

Result<Duration> parseDuration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration{0};
  if (rest.empty()) return badDuration(text);
  uint64_t total = 0;
  while (!rest.empty()) {
    const auto term = takeTerm(rest);
    if (!term || __builtin_add_overflow(total, *term, &total) || total > kMaxMagnitude) {
      return badDuration(text);
    }
  }
  if (negative) return Duration{static_cast<int64_t>(-total)};
  if (total == kMaxMagnitude) return badDuration(text);
  return Duration{static_cast<int64_t>(total)};
}

std::string formatDuration(Duration duration) {
  const int64_t count = duration.count();
  if (count == 0) return "0s";
  uint64_t rest = count < 0 ? -static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  std::string text = count < 0 ? "-" : "";
  if (rest < kMicrosecond) return text + std::to_string(rest) + "ns";
  if (rest < kMillisecond) return text + decimal(rest, kMicrosecond) + "\u00b5s";
  if (rest < kSecond) return text + decimal(rest, kMillisecond) + "ms";
  if (rest >= kHour) text += std::to_string(rest / kHour) + "h";
  rest %= kHour;
  if (rest >= kMinute) text += std::to_string(rest / kMinute) + "m";
  rest %= kMinute;
  if (rest > 0) text += decimal(rest, kSecond) + "s";
  return text;
}

}  // namespace keelson
