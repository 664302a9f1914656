// Findings about fields: where in the object, and what is wrong there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::api {

inline constexpr size_t kMaxFieldErrors = 20;   // findings spelled out; the rest is counted
inline constexpr size_t kMaxQuotedBytes = 128;  // of a value shown in a finding

// Where a value stands: "spec.containers[1].image". A value; cheap enough for validation.
class FieldPath {
 public:
  FieldPath() = default;
  explicit FieldPath(std::string text) : text_(std::move(text)) {}
  FieldPath child(std::string_view name) const;
  FieldPath index(size_t i) const;
  FieldPath key(std::string_view name) const;
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

// `value` in double quotes, control characters escaped, cut after kMaxQuotedBytes.
std::string quoted(std::string_view value);

// Collects findings in the words of Kubernetes' field.ErrorList. Owned by one function, passed down.
class FieldErrors {
 public:
  void add(std::string text);  // "path: what"
  void required(const FieldPath& path, std::string_view detail = "");
  void invalid(const FieldPath& path, std::string_view value, std::string_view detail);
  void invalid(const FieldPath& path, int64_t value, std::string_view detail);
  // One `invalid` for each detail (what the checks of names.h return).
  void invalid(const FieldPath& path, std::string_view value, const std::vector<std::string>& details);
  void duplicate(const FieldPath& path, std::string_view value);
  void notFound(const FieldPath& path, std::string_view value);
  void forbidden(const FieldPath& path, std::string_view detail);
  void tooLong(const FieldPath& path, size_t limit);
  // If `value` is not one of `supported`; listed as given.
  void requireOneOf(const FieldPath& path, std::string_view value,
                    std::initializer_list<std::string_view> supported);

  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  // ok, the one finding, or "[a, b, and 3 more]".
  Result<void> result() const;

 private:
  std::vector<std::string> texts_;
  size_t count_ = 0;
};

}  // namespace keelson::api
