// resource.Quantity: exact decimal or binary amounts ("100m", "16Mi", "1e3").
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::api {

// Kept in thousandths, with Kubernetes' canonical text in the style it was written in ("0.5" is "500m",
// "1024Mi" is "1Gi", "1e3" stays). Beyond an int64 of whole units it saturates; finer than 1/1000 is
// rounded away from zero, as the API server does with resources. A plain value; any thread.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
class Quantity {
 public:
  Quantity() = default;
  // kInvalidArgument unless the text is [+-]digits[.digits] and a suffix: n u m k M G T P E, Ki to Ei, or
  // an exponent (e3, E-3).
  static Result<Quantity> parse(std::string_view text);
  static Quantity ofMilli(int64_t milli);
  static Quantity of(int64_t value);
  static Quantity ofBytes(int64_t bytes);  // shown with Ki, Mi, ...

  // Rounded up, as resource.Quantity.Value() and MilliValue(); saturate at int64.
  int64_t value() const;
  int64_t milliValue() const;
  bool isZero() const { return milli_ == 0; }
  const std::string& str() const { return text_; }
  // Saturates; shown in the style of `a`, or of `b` where `a` is zero.
  friend Quantity operator+(const Quantity& a, const Quantity& b) {
    return Quantity(saturatedSum(a.milli_, b.milli_), a.isZero() ? b.style_ : a.style_);
  }
  friend bool operator==(const Quantity& a, const Quantity& b) { return a.milli_ == b.milli_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.milli_ <=> b.milli_;
  }

 private:
  enum class Style { kDecimal, kBinary, kExponent };
  Quantity(__int128 milli, Style style);
  static std::string canonical(__int128 milli, Style style);
  static __int128 saturatedSum(__int128 a, __int128 b);

  __int128 milli_ = 0;
  Style style_ = Style::kDecimal;
  std::string text_ = "0";
};

}  // namespace keelson::api
