#include "api/quantity.h"

#include <algorithm>
#include <array>
#include <limits>

#include "api/field_errors.h"

namespace keelson::api {
namespace {

constexpr __int128 kMaxMilli = static_cast<__int128>(std::numeric_limits<int64_t>::max()) * 1000;
constexpr size_t kMaxTextBytes = 256;
constexpr size_t kBinaryFractionDigits = 15;  // 10^15 * 2^60 * 1000 fits 128 bits
constexpr int kMaxExponent = 1'000'000;

constexpr std::array<std::string_view, 7> kDecimalSuffixes{"", "k", "M", "G", "T", "P", "E"};
constexpr std::array<std::string_view, 7> kBinarySuffixes{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

bool isDigit(char c) { return c >= '0' && c <= '9'; }

struct Scale {
  int exponent10 = 0;
  int shift = 0;
  bool exponent_style = false;
};

// The suffix after the digits; nullopt-like by `ok`.
struct ScaleOrNot {
  bool ok = false;
  Scale scale;
};

ScaleOrNot parseSuffix(std::string_view suffix) {
  if (suffix == "n") return {true, {-9, 0, false}};
  if (suffix == "u") return {true, {-6, 0, false}};
  if (suffix == "m") return {true, {-3, 0, false}};
  for (size_t i = 0; i < kDecimalSuffixes.size(); ++i) {
    const int n = static_cast<int>(i);
    if (suffix == kDecimalSuffixes[i]) return {true, {3 * n, 0, false}};
    if (i > 0 && suffix == kBinarySuffixes[i]) return {true, {0, 10 * n, false}};
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return {};
  std::string_view digits = suffix.substr(1);
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), isDigit)) return {};
  int exponent = 0;
  for (char c : digits) exponent = std::min(kMaxExponent, exponent * 10 + (c - '0'));
  return {true, {negative ? -exponent : exponent, 0, true}};
}

// ceil(0.d1d2d3... * 10^point in thousandths), saturating. `digits` has no leading zero.
__int128 decimalMilli(std::string_view digits, int point) {
  if (digits.empty()) return 0;
  const int keep = point + 3;
  if (keep <= 0) return 1;
  if (keep > 22) return kMaxMilli;
  __int128 milli = 0;
  for (int i = 0; i < keep; ++i) {
    const auto at = static_cast<size_t>(i);
    milli = milli * 10 + (at < digits.size() ? digits[at] - '0' : 0);
  }
  const auto rest = digits.substr(std::min(digits.size(), static_cast<size_t>(keep)));
  if (rest.find_first_not_of('0') != std::string_view::npos) ++milli;
  return std::min(milli, kMaxMilli);
}

__int128 binaryMilli(std::string_view integer, std::string_view fraction, int shift) {
  __int128 whole = 0;
  for (char c : integer) whole = std::min(kMaxMilli, whole * 10 + (c - '0'));
  if (whole > (kMaxMilli / 1000) >> shift) return kMaxMilli;
  __int128 part = 0;
  __int128 unit = 1;
  for (size_t i = 0; i < std::min(fraction.size(), kBinaryFractionDigits); ++i) {
    part = part * 10 + (fraction[i] - '0');
    unit *= 10;
  }
  if (fraction.size() > kBinaryFractionDigits &&
      fraction.find_first_not_of('0', kBinaryFractionDigits) != std::string_view::npos) {
    ++part;
  }
  const __int128 milli = (whole << shift) * 1000 + (((part << shift) * 1000) + unit - 1) / unit;
  return std::min(milli, kMaxMilli);
}

std::string decimalText(__int128 value) {
  std::string out;
  do {
    out += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value > 0);
  std::reverse(out.begin(), out.end());
  return out;
}

int64_t saturate(__int128 value) {
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  constexpr __int128 kMin = std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(std::clamp(value, kMin, kMax));
}

}  // namespace

Quantity::Quantity(__int128 milli, Style style)
    : milli_(milli), style_(style), text_(canonical(milli, style)) {}

__int128 Quantity::saturatedSum(__int128 a, __int128 b) { return std::clamp(a + b, -kMaxMilli, kMaxMilli); }

// As resource.Quantity.CanonicalizeBytes: no fractions, the largest suffix that loses nothing; binary
// style only for whole numbers from 1024 on.
std::string Quantity::canonical(__int128 milli, Style style) {
  if (milli == 0) return "0";
  const bool negative = milli < 0;
  __int128 rest = negative ? -milli : milli;
  std::string suffix;
  if (style == Style::kBinary && rest >= 1'024'000 && rest % 1000 == 0) {
    rest /= 1000;
    size_t i = 0;
    for (; i + 1 < kBinarySuffixes.size() && rest % 1024 == 0; ++i) rest /= 1024;
    suffix = kBinarySuffixes[i];
  } else {
    int exponent = -3;
    for (; exponent < 18 && rest % 1000 == 0; exponent += 3) rest /= 1000;
    if (style == Style::kExponent) {
      suffix = exponent == 0 ? "" : fmt::format("e{}", exponent);
    } else {
      suffix = exponent < 0 ? "m" : kDecimalSuffixes[static_cast<size_t>(exponent / 3)];
    }
  }
  return (negative ? "-" : "") + decimalText(rest) + suffix;
}

Result<Quantity> Quantity::parse(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return makeError(Code::kInvalidArgument, "quantity {}: {}", quoted(text), why);
  };
  if (text.empty()) return wrong("is empty");
  if (text.size() > kMaxTextBytes) return wrong("is too long");
  std::string_view rest = text;
  const bool negative = rest[0] == '-';
  if (negative || rest[0] == '+') rest.remove_prefix(1);

  size_t end = 0;
  while (end < rest.size() && isDigit(rest[end])) ++end;
  std::string_view integer = rest.substr(0, end);
  rest.remove_prefix(end);
  std::string_view fraction;
  if (!rest.empty() && rest[0] == '.') {
    end = 1;
    while (end < rest.size() && isDigit(rest[end])) ++end;
    fraction = rest.substr(1, end - 1);
    rest.remove_prefix(end);
  }
  if (integer.empty() && fraction.empty()) return wrong("has no digits");
  const ScaleOrNot parsed = parseSuffix(rest);
  if (!parsed.ok) {
    return wrong(
        "must be a number with a suffix n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent");
  }
  const Scale scale = parsed.scale;

  __int128 milli = 0;
  if (scale.shift > 0) {
    milli = binaryMilli(integer, fraction, scale.shift);
  } else {
    std::string digits = std::string(integer) + std::string(fraction);
    const size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
    milli = decimalMilli(std::string_view(digits).substr(zeros),
                         static_cast<int>(integer.size()) - static_cast<int>(zeros) + scale.exponent10);
  }
  const Style style = scale.shift > 0        ? Style::kBinary
                      : scale.exponent_style ? Style::kExponent
                                             : Style::kDecimal;
  return Quantity(negative ? -milli : milli, style);
}

Quantity Quantity::ofMilli(int64_t milli) { return Quantity(milli, Style::kDecimal); }

Quantity Quantity::of(int64_t value) {
  return Quantity(static_cast<__int128>(value) * 1000, Style::kDecimal);
}

Quantity Quantity::ofBytes(int64_t bytes) {
  return Quantity(static_cast<__int128>(bytes) * 1000, Style::kBinary);
}

int64_t Quantity::value() const {
  const __int128 whole = milli_ / 1000;
  const __int128 rest = milli_ % 1000;
  return saturate(rest > 0 ? whole + 1 : rest < 0 ? whole - 1 : whole);
}

int64_t Quantity::milliValue() const { return saturate(milli_); }

}  // namespace keelson::api
