#include "api/field_errors.h"

#include <algorithm>

namespace keelson::api {

FieldPath FieldPath::child(std::string_view name) const {
  return FieldPath(text_.empty() ? std::string(name) : fmt::format("{}.{}", text_, name));
}

FieldPath FieldPath::index(size_t i) const { return FieldPath(fmt::format("{}[{}]", text_, i)); }

FieldPath FieldPath::key(std::string_view name) const {
  return FieldPath(fmt::format("{}[{}]", text_, name));
}

std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (char c : value.substr(0, kMaxQuotedBytes)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  if (value.size() > kMaxQuotedBytes) out += "...";
  out += '"';
  return out;
}

void FieldErrors::add(std::string text) {
  if (texts_.size() < kMaxFieldErrors) texts_.push_back(std::move(text));
  ++count_;
}

void FieldErrors::required(const FieldPath& path, std::string_view detail) {
  add(fmt::format("{}: Required value{}{}", path.str(), detail.empty() ? "" : ": ", detail));
}

void FieldErrors::invalid(const FieldPath& path, std::string_view value, std::string_view detail) {
  add(fmt::format("{}: Invalid value: {}: {}", path.str(), quoted(value), detail));
}

void FieldErrors::invalid(const FieldPath& path, int64_t value, std::string_view detail) {
  add(fmt::format("{}: Invalid value: {}: {}", path.str(), value, detail));
}

void FieldErrors::invalid(const FieldPath& path, std::string_view value,
                          const std::vector<std::string>& details) {
  for (const auto& detail : details) invalid(path, value, detail);
}

void FieldErrors::duplicate(const FieldPath& path, std::string_view value) {
  add(fmt::format("{}: Duplicate value: {}", path.str(), quoted(value)));
}

void FieldErrors::notFound(const FieldPath& path, std::string_view value) {
  add(fmt::format("{}: Not found: {}", path.str(), quoted(value)));
}

void FieldErrors::forbidden(const FieldPath& path, std::string_view detail) {
  add(fmt::format("{}: Forbidden: {}", path.str(), detail));
}

void FieldErrors::tooLong(const FieldPath& path, size_t limit) {
  add(fmt::format("{}: Too long: may not be more than {} bytes", path.str(), limit));
}

void FieldErrors::requireOneOf(const FieldPath& path, std::string_view value,
                               std::initializer_list<std::string_view> supported) {
  if (std::find(supported.begin(), supported.end(), value) != supported.end()) return;
  std::string list;
  for (std::string_view one : supported) {
    if (!list.empty()) list += ", ";
    list += quoted(one);
  }
  add(fmt::format("{}: Unsupported value: {}: supported values: {}", path.str(), quoted(value), list));
}

Result<void> FieldErrors::result() const {
  if (count_ == 0) return {};
  if (count_ == 1) return Error{Code::kInvalidArgument, 0, texts_.front()};
  std::string text = "[";
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (i > 0) text += ", ";
    text += texts_[i];
  }
  if (count_ > texts_.size()) text += fmt::format(", and {} more", count_ - texts_.size());
  text += "]";
  return Error{Code::kInvalidArgument, 0, std::move(text)};
}

}  // namespace keelson::api
