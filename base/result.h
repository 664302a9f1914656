// Errors as values. Expected failures travel as Result<T>; exceptions are for bugs.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace keelson {

// What a caller may branch on. errno becomes a Code in base/error.cc and nowhere else.
enum class Code {
  kInvalidArgument,  // the input is wrong and will stay wrong
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,  // a limit, a full disk, no free address
  kDeadlineExceeded,
  kCancelled,
  kUnavailable,         // a peer does not answer now; a retry may help
  kUnsupported,         // this kernel or build cannot do it
  kFailedPrecondition,  // the thing is not in the state that this needs
  kDataLoss,            // a digest or a format does not match
  kInternal,
};

const char* codeName(Code code);

// A failure: `code` to branch on, `sys` the errno behind it (0 if none), `text` for a person,
// read outside-in ("start container web: mount proc: EPERM (Operation not permitted)").
struct Error {
  Code code = Code::kInternal;
  int sys = 0;
  std::string text;

  // The same error with "context: " in front of its text.
  Error withContext(std::string_view context) &&;
};

// An Error from an errno value: "<what>: EPERM (Operation not permitted)".
Error errnoError(int err, std::string_view what);

template <class... Args>
Error makeError(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, 0, fmt::format(format, std::forward<Args>(args)...)};
}

// As errnoError with the current errno. The arguments must not disturb errno.
template <class... Args>
Error sysError(fmt::format_string<Args...> format, Args&&... args) {
  const int err = errno;
  return errnoError(err, fmt::format(format, std::forward<Args>(args)...));
}

// A T or an Error: the shape of std::expected, which C++20 lacks.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of value(): ok(). Precondition of error(): !ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error error() && { return std::get<1>(std::move(state_)); }

  T valueOr(T fallback) && { return ok() ? std::get<0>(std::move(state_)) : std::move(fallback); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  void value() const {}
  const Error& error() const& { return error_; }
  Error error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

// What tear-down returns: it never stops at the first error, it collects them.
class [[nodiscard]] ErrorList {
 public:
  void add(Error error) { errors_.push_back(std::move(error)); }
  void add(Result<void> result) {
    if (!result) add(std::move(result).error());
  }
  void add(ErrorList other) {
    for (auto& error : other.errors_) add(std::move(error));
  }
  bool empty() const { return errors_.empty(); }
  const std::vector<Error>& errors() const { return errors_; }
  // One Result: ok if empty, else the first code with all texts joined by "; ".
  Result<void> result() const;

 private:
  std::vector<Error> errors_;
};

}  // namespace keelson

// The value of a Result, or return its error from the enclosing function. Names are made unique so
// that one TRY may stand inside another.
#define TRY(expr) KEELSON_TRY(KEELSON_UNIQUE(keelson_try_, __COUNTER__), expr)

// As TRY, with what was being tried in front: TRY_CTX(mount(fd), "volume {}", name).
#define TRY_CTX(expr, ...) KEELSON_TRY_CTX(KEELSON_UNIQUE(keelson_try_, __COUNTER__), expr, __VA_ARGS__)

#define KEELSON_UNIQUE(prefix, number) KEELSON_PASTE(prefix, number)
#define KEELSON_PASTE(prefix, number) prefix##number
#define KEELSON_TRY(result, expr)                       \
  ({                                                    \
    auto result = (expr);                               \
    if (!result.ok()) return std::move(result).error(); \
    std::move(result).value();                          \
  })
#define KEELSON_TRY_CTX(result, expr, ...)                                                    \
  ({                                                                                          \
    auto result = (expr);                                                                     \
    if (!result.ok()) return std::move(result).error().withContext(fmt::format(__VA_ARGS__)); \
    std::move(result).value();                                                                \
  })
