#include "api/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "api/base64.h"
#include "api/field_errors.h"

namespace keelson::api {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

template <size_t N>
bool oneOf(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 11> kTrue{"y",    "Y",    "yes", "Yes", "YES", "true",
                                                 "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse{"n",     "N",     "no",  "No",  "NO", "false",
                                                  "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNull{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 12> kNotFinite{".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                                      "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// strconv.ParseInt and ParseUint with base 0: 0x, 0o, 0b and a bare leading 0 are prefixes.
std::optional<json::value> parseInteger(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string_view digits = text;
  if (negative || text.starts_with('+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char prefix = digits[1];
    base = prefix == 'x' || prefix == 'X' ? 16 : prefix == 'b' || prefix == 'B' ? 2 : 8;
    digits.remove_prefix(base != 8 || prefix == 'o' || prefix == 'O' ? 2 : 1);
  }
  uint64_t magnitude = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
    return std::nullopt;
  constexpr uint64_t kMinMagnitude = uint64_t{1} << 63;
  if (negative) {
    if (magnitude > kMinMagnitude) return std::nullopt;
    return json::value(static_cast<int64_t>(-magnitude));
  }
  if (magnitude < kMinMagnitude) return json::value(static_cast<int64_t>(magnitude));
  return text.starts_with('+') ? std::nullopt : std::optional<json::value>(magnitude);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looksLikeFloat(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t start = i;
    while (i < text.size() && isDigit(text[i])) ++i;
    return i - start;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  const size_t whole = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::optional<json::value> parseFloat(std::string_view text) {
  if (!looksLikeFloat(text)) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ptr != text.data() + text.size()) return std::nullopt;
  // Out of range: too large stays a string as in Go, too small is zero.
  if (parsed.ec == std::errc::result_out_of_range) {
    const size_t exponent = text.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && text[exponent + 1] == '-';
    return tiny ? std::optional<json::value>(0.0) : std::nullopt;
  }
  return std::isfinite(value) ? std::optional<json::value>(value) : std::nullopt;
}

}  // namespace

Result<json::value> resolvePlainScalar(std::string_view text) {
  if (oneOf(text, kNull)) return json::value(nullptr);
  if (oneOf(text, kTrue)) return json::value(true);
  if (oneOf(text, kFalse)) return json::value(false);
  if (oneOf(text, kNotFinite)) {
    return makeError(Code::kInvalidArgument, "{} is not a number that JSON can hold", text);
  }
  const char hint = text[0];
  if (hint == '.') {
    if (auto value = parseFloat(text)) return *std::move(value);
  } else if (isDigit(hint) || hint == '-' || hint == '+') {
    std::string digits(text);
    std::erase(digits, '_');
    if (auto value = parseInteger(digits)) return *std::move(value);
    if (auto value = parseFloat(digits)) return *std::move(value);
  }
  return json::value(json::string(text));
}

Result<json::value> resolveScalar(std::string_view tag, std::string_view text) {
  if (tag == "?" || tag.empty()) return resolvePlainScalar(text);
  if (tag == "!") return json::value(json::string(text));
  if (!tag.starts_with(kTagPrefix)) return makeError(Code::kInvalidArgument, "unknown tag {}", quoted(tag));
  const std::string_view type = tag.substr(kTagPrefix.size());
  if (type == "str" || type == "timestamp") return json::value(json::string(text));
  if (type == "binary") {
    auto bytes = decodeBase64(text);
    if (!bytes || findInvalidUtf8(*bytes) != std::string_view::npos) {
      return makeError(Code::kInvalidArgument, "!!binary {} is not base64 of UTF-8 text", quoted(text));
    }
    return json::value(json::string(*bytes));
  }
  json::value value = TRY(resolvePlainScalar(text));
  if (type == "float" && value.is_int64()) return json::value(static_cast<double>(value.get_int64()));
  const bool fits = (type == "null" && value.is_null()) || (type == "bool" && value.is_bool()) ||
                    (type == "int" && (value.is_int64() || value.is_uint64())) ||
                    (type == "float" && value.is_double());
  if (fits) return value;
  return makeError(Code::kInvalidArgument, "cannot read {} as !!{}", quoted(text), type.substr(0, 32));
}

size_t findInvalidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length > text.size()) return i;
    uint32_t point = lead & (0x7fU >> length);
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      if ((next & 0xc0U) != 0x80U) return i;
      point = (point << 6) | (next & 0x3fU);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace keelson::api
