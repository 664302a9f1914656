#include "api/decoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "api/base64.h"

namespace keelson::api {
namespace {

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

void appendPath(std::string& out, const Step* at) {
  if (at == nullptr) return;
  appendPath(out, at->parent);
  switch (at->kind) {
    case Step::Kind::kField:
      if (!out.empty()) out += '.';
      out += at->name;
      break;
    case Step::Kind::kIndex:
      out += fmt::format("[{}]", at->index);
      break;
    case Step::Kind::kKey:
      out += fmt::format("[{}]", at->name);
      break;
  }
}

// "path: " or nothing at the root.
std::string prefixOf(const Step* at) {
  std::string path;
  appendPath(path, at);
  return path.empty() ? path : path + ": ";
}

std::string_view kindName(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

template <class T>
void decodeInteger(const json::value& in, T& out, const Step* at, DecodeReport& report) {
  constexpr int64_t kMin = std::numeric_limits<T>::min();
  constexpr int64_t kMax = std::numeric_limits<T>::max();
  int64_t value = 0;
  bool fits = true;
  if (const int64_t* number = in.if_int64()) {
    value = *number;
  } else if (in.is_uint64()) {
    fits = false;  // Boost.JSON uses it only beyond int64
  } else if (const double* real = in.if_double()) {
    // 1e3 and 5.0 are whole numbers, as for the JSON decoder of Kubernetes.
    if (std::trunc(*real) != *real) return report.expected(at, "an integer", in);
    fits = *real >= -9.2e18 && *real <= 9.2e18;
    if (fits) value = static_cast<int64_t>(*real);
  } else {
    return report.expected(at, "an integer", in);
  }
  if (!fits || value < kMin || value > kMax) {
    return report.wrong(at, fmt::format("must be between {} and {}", kMin, kMax));
  }
  out = static_cast<T>(value);
}

}  // namespace

void DecodeReport::expected(const Step* at, std::string_view what, const json::value& got) {
  errors_.add(fmt::format("{}expected {}, got {}", prefixOf(at), what, kindName(got)));
}

void DecodeReport::wrong(const Step* at, std::string_view what) { errors_.add(prefixOf(at).append(what)); }

void DecodeReport::unknownField(const Step* at, std::string_view name) {
  const Step step{at, Step::Kind::kField, name};
  if (unknown_ == UnknownFields::kRefuse) return wrong(&step, "unknown field");
  if (warnings_.size() < kMaxDecodeWarnings) warnings_.push_back(prefixOf(&step) + "unknown field");
}

// NUL is refused: every string may end in a system call, which would read only what stands before it.
void decodeValue(const json::value& in, std::string& out, const Step* at, DecodeReport& report) {
  const json::string* text = in.if_string();
  if (text == nullptr) return report.expected(at, "a string", in);
  if (view(*text).find('\0') != std::string_view::npos)
    return report.wrong(at, "must not contain a NUL byte");
  out = view(*text);
}

void decodeValue(const json::value& in, bool& out, const Step* at, DecodeReport& report) {
  const bool* value = in.if_bool();
  if (value == nullptr) return report.expected(at, "a boolean", in);
  out = *value;
}

void decodeValue(const json::value& in, int32_t& out, const Step* at, DecodeReport& report) {
  decodeInteger(in, out, at, report);
}

void decodeValue(const json::value& in, int64_t& out, const Step* at, DecodeReport& report) {
  decodeInteger(in, out, at, report);
}

void decodeValue(const json::value& in, IntOrString& out, const Step* at, DecodeReport& report) {
  if (in.is_string()) return decodeValue(in, out.emplace<std::string>(), at, report);
  if (!in.is_number()) return report.expected(at, "an integer or a string", in);
  decodeInteger(in, out.emplace<int32_t>(), at, report);
}

void decodeValue(const json::value& in, Quantity& out, const Step* at, DecodeReport& report) {
  std::string text;
  if (const json::string* string = in.if_string()) {
    text = view(*string);
  } else if (in.is_number()) {
    text = in.is_double()   ? fmt::format("{}", in.get_double())
           : in.is_uint64() ? fmt::format("{}", in.get_uint64())
                            : fmt::format("{}", in.get_int64());
  } else {
    return report.expected(at, "a quantity", in);
  }
  auto quantity = Quantity::parse(text);
  if (!quantity) return report.wrong(at, quantity.error().text);
  out = *std::move(quantity);
}

void decodeValue(const json::value& in, WallTime& out, const Step* at, DecodeReport& report) {
  const json::string* text = in.if_string();
  if (text == nullptr) return report.expected(at, "an RFC 3339 time", in);
  auto time = parseTime(view(*text));
  if (!time) return report.wrong(at, fmt::format("expected an RFC 3339 time, got {}", quoted(view(*text))));
  out = *time;
}

void decodeValue(const json::value& in, Duration& out, const Step* at, DecodeReport& report) {
  const json::string* text = in.if_string();
  if (text == nullptr) return report.expected(at, "a duration such as 1m30s", in);
  auto duration = parseDuration(view(*text));
  if (!duration)
    return report.wrong(at, fmt::format("expected a duration such as 1m30s, got {}", quoted(view(*text))));
  out = *duration;
}

void decodeValue(const json::value& in, double& out, const Step* at, DecodeReport& report) {
  if (!in.is_number()) return report.expected(at, "a number", in);
  out = in.to_number<double>();
}

const json::value* ObjectDecoder::take(std::string_view name) {
  const json::value* value = object_.if_contains({name.data(), name.size()});
  if (value == nullptr) return nullptr;
  known_.push_back(name);
  return value->is_null() ? nullptr : value;
}

const json::object* ObjectDecoder::asObject(const json::value& in, const Step* at) {
  const json::object* object = in.if_object();
  if (object == nullptr) report_.expected(at, "an object", in);
  return object;
}

void ObjectDecoder::finish() {
  if (known_.size() == object_.size()) return;
  for (const auto& member : object_) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) report_.unknownField(at_, name);
  }
}

void ObjectDecoder::base64(std::string_view name, StringMap& out) {
  StringMap encoded;
  (*this)(name, encoded);
  const Step step{at_, Step::Kind::kField, name};
  for (auto& [key, text] : encoded) {
    auto bytes = decodeBase64(text);
    const Step item{&step, Step::Kind::kKey, key};
    if (bytes) {
      out[key] = std::move(*bytes);
    } else {
      report_.wrong(&item, "expected base64");
    }
  }
}

void ObjectDecoder::overlay(std::string_view name, StringMap& out) {
  StringMap over;
  (*this)(name, over);
  for (auto& [key, value] : over) out[key] = std::move(value);
}

void ObjectDecoder::alias(std::string_view name, std::string& out) {
  std::string other;
  (*this)(name, other);
  if (out.empty()) out = std::move(other);
}

void ObjectDecoder::first(std::string_view name, std::vector<std::string>& out) {
  std::string one;
  (*this)(name, one);
  if (!one.empty()) out.assign(1, std::move(one));
}

void ObjectDecoder::wrapped(std::string_view name, std::string& out, std::string_view inner) {
  object(name, [&](ObjectDecoder& decoder) { decoder(inner, out); });
}

void ObjectDecoder::wrapped(std::string_view name, std::optional<std::string>& out, std::string_view inner) {
  object(name, [&](ObjectDecoder& decoder) { decoder(inner, out.emplace()); });
}

void ObjectDecoder::wrapped(std::string_view name, std::vector<std::string>& out, std::string_view inner) {
  const json::value* in = take(name);
  if (in == nullptr) return;
  const Step list{at_, Step::Kind::kField, name};
  const json::array* array = in->if_array();
  if (array == nullptr) return report_.expected(&list, "a list", *in);
  out.clear();
  for (size_t i = 0; i < array->size(); ++i) {
    const Step step{&list, Step::Kind::kIndex, {}, i};
    const json::object* item = asObject((*array)[i], &step);
    if (item == nullptr) continue;
    ObjectDecoder decoder(*item, &step, report_);
    decoder(inner, out.emplace_back());
    decoder.finish();
  }
}

void ObjectDecoder::ignored(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) take(name);
}

void ObjectDecoder::oneOf(std::initializer_list<std::string_view> names, std::string& out) {
  for (std::string_view name : names) {
    if (take(name) != nullptr) out = name;
  }
}

}  // namespace keelson::api
