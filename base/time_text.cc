// RFC 3339 times as text.
#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace keelson {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

// Nanoseconds in 64 bits end inside 1677 and 2262; whole years within are accepted.
constexpr int kFirstYear = 1678;
constexpr int kLastYear = 2261;
constexpr size_t kFractionDigits = 9;

std::string formatSeconds(WallTime time) {
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const std::chrono::hh_mm_ss clock{floor<seconds>(time - day)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int{date.year()}, unsigned{date.month()},
                     unsigned{date.day()}, clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

// Reads a text from left to right; every read says whether it fitted.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::optional<int> digits(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  bool oneOf(std::string_view choices) {
    if (rest_.empty() || choices.find(rest_[0]) == std::string_view::npos) return false;
    last_ = rest_[0];
    rest_.remove_prefix(1);
    return true;
  }
  // One to nine digits as nanoseconds.
  std::optional<int64_t> fraction() {
    int64_t value = 0;
    size_t count = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1)) {
      if (++count > kFractionDigits) return std::nullopt;
      value = value * 10 + (rest_[0] - '0');
    }
    if (count == 0) return std::nullopt;
    for (; count < kFractionDigits; ++count) value *= 10;
    return value;
  }
  char last() const { return last_; }
  bool atEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  char last_ = '\0';
};

std::optional<sys_days> scanDate(Scanner& in) {
  const auto year = in.digits(4);
  if (!year || !in.oneOf("-")) return std::nullopt;
  const auto month = in.digits(2);
  if (!month || !in.oneOf("-")) return std::nullopt;
  const auto day = in.digits(2);
  if (!day || *year < kFirstYear || *year > kLastYear) return std::nullopt;
  const year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return sys_days{date};
}

// "hh:mm", the part that a time of day and an offset share.
std::optional<minutes> scanHoursMinutes(Scanner& in) {
  const auto hour = in.digits(2);
  if (!hour || *hour > 23 || !in.oneOf(":")) return std::nullopt;
  const auto minute = in.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  return hours(*hour) + minutes(*minute);
}

std::optional<WallTime> scanTime(Scanner& in) {
  const auto date = scanDate(in);
  if (!date || !in.oneOf("Tt")) return std::nullopt;
  const auto day_time = scanHoursMinutes(in);
  if (!day_time || !in.oneOf(":")) return std::nullopt;
  // A leap second (60) is refused, as Go and so the API server do.
  const auto second = in.digits(2);
  if (!second || *second > 59) return std::nullopt;
  nanoseconds fraction{0};
  if (in.oneOf(".")) {
    const auto digits = in.fraction();
    if (!digits) return std::nullopt;
    fraction = nanoseconds(*digits);
  }
  minutes offset{0};
  if (!in.oneOf("Zz")) {
    if (!in.oneOf("+-")) return std::nullopt;
    const bool east = in.last() == '+';
    const auto shift = scanHoursMinutes(in);
    if (!shift) return std::nullopt;
    offset = east ? *shift : -*shift;
  }
  if (!in.atEnd()) return std::nullopt;
  return WallTime(*date) + *day_time + seconds(*second) + fraction - offset;
}

}  // namespace

std::string formatTime(WallTime time) { return formatSeconds(time) + "Z"; }

std::string formatTimeNano(WallTime time) {
  const auto fraction = time - floor<seconds>(time);
  return fmt::format("{}.{:09}Z", formatSeconds(time), nanoseconds(fraction).count());
}

Result<WallTime> parseTime(std::string_view text) {
  Scanner in(text);
  if (const auto time = scanTime(in)) return *time;
  return makeError(Code::kInvalidArgument, "\"{}\" is not an RFC 3339 time of the years {} to {}",
                   text.substr(0, 64), kFirstYear, kLastYear);
}

}  // namespace keelson
