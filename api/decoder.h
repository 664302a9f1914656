// JSON values into structs, by their Schema.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/codec.h"
#include "api/field_errors.h"
#include "api/int_or_string.h"
#include "api/object_meta.h"
#include "api/quantity.h"
#include "api/schema.h"
#include "base/clock.h"
#include "base/json.h"

namespace keelson::api {

// A way into the value being decoded, as a chain on the stack: text is made only for a finding.
struct Step {
  enum class Kind { kField, kIndex, kKey };
  const Step* parent = nullptr;
  Kind kind = Kind::kField;
  std::string_view name;
  size_t index = 0;
};

// What was found wrong in one decode. Owned by decode(), passed down.
class DecodeReport {
 public:
  explicit DecodeReport(UnknownFields unknown) : unknown_(unknown) {}
  void expected(const Step* at, std::string_view what, const json::value& got);
  void wrong(const Step* at, std::string_view what);
  void unknownField(const Step* at, std::string_view name);

  const FieldErrors& errors() const { return errors_; }
  std::vector<std::string> takeWarnings() { return std::move(warnings_); }

 private:
  UnknownFields unknown_;
  FieldErrors errors_;
  std::vector<std::string> warnings_;
};

inline constexpr size_t kMaxDecodeWarnings = 20;

void decodeValue(const json::value& in, std::string& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, bool& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, int32_t& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, int64_t& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, IntOrString& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, Quantity& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, WallTime& out, const Step* at, DecodeReport& report);
// metav1.Duration: Go's syntax ("1m30s").
void decodeValue(const json::value& in, Duration& out, const Step* at, DecodeReport& report);
void decodeValue(const json::value& in, double& out, const Step* at, DecodeReport& report);
template <class T>
void decodeValue(const json::value& in, std::optional<T>& out, const Step* at, DecodeReport& report);
template <class T>
void decodeValue(const json::value& in, std::vector<T>& out, const Step* at, DecodeReport& report);
template <class T>
void decodeValue(const json::value& in, std::map<std::string, T>& out, const Step* at, DecodeReport& report);
template <class T>
requires requires { sizeof(Schema<T>); }
void decodeValue(const json::value& in, T& out, const Step* at, DecodeReport& report);

// The visitor that reads one JSON object. Lives in one function; any thread.
class ObjectDecoder {
 public:
  static constexpr bool kDecoding = true;

  ObjectDecoder(const json::object& object, const Step* at, DecodeReport& report)
      : object_(object), at_(at), report_(report) {}

  template <class T>
  void operator()(std::string_view name, T& out, Emit = Emit::kOmitEmpty) {
    if (const json::value* in = take(name)) {
      const Step step{at_, Step::Kind::kField, name};
      decodeValue(*in, out, &step, report_);
    }
  }
  void base64(std::string_view name, StringMap& out);
  void overlay(std::string_view name, StringMap& out);
  void alias(std::string_view name, std::string& out);
  void first(std::string_view name, std::vector<std::string>& out);
  void wrapped(std::string_view name, std::string& out, std::string_view inner);
  void wrapped(std::string_view name, std::optional<std::string>& out, std::string_view inner);
  void wrapped(std::string_view name, std::vector<std::string>& out, std::string_view inner);
  void ignored(std::initializer_list<std::string_view> names);
  void oneOf(std::initializer_list<std::string_view> names, std::string& out);
  template <class F>
  void object(std::string_view name, F describe) {
    const json::value* in = take(name);
    if (in == nullptr) return;
    const Step step{at_, Step::Kind::kField, name};
    const json::object* inner = asObject(*in, &step);
    if (inner == nullptr) return;
    ObjectDecoder decoder(*inner, &step, report_);
    describe(decoder);
    decoder.finish();
  }

  // Reports the fields that nobody asked for.
  void finish();

 private:
  // The field's value; nullptr if absent or null.
  const json::value* take(std::string_view name);
  const json::object* asObject(const json::value& in, const Step* at);

  const json::object& object_;
  const Step* at_;
  DecodeReport& report_;
  std::vector<std::string_view> known_;  // present fields that were asked for
};

template <class T>
void decodeValue(const json::value& in, std::optional<T>& out, const Step* at, DecodeReport& report) {
  decodeValue(in, out.emplace(), at, report);
}

template <class T>
void decodeValue(const json::value& in, std::vector<T>& out, const Step* at, DecodeReport& report) {
  const json::array* array = in.if_array();
  if (array == nullptr) return report.expected(at, "a list", in);
  out.clear();
  out.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    const Step step{at, Step::Kind::kIndex, {}, i};
    if ((*array)[i].is_null()) {
      report.wrong(&step, "must not be null");
      continue;
    }
    decodeValue((*array)[i], out.emplace_back(), &step, report);
  }
}

template <class T>
void decodeValue(const json::value& in, std::map<std::string, T>& out, const Step* at, DecodeReport& report) {
  const json::object* object = in.if_object();
  if (object == nullptr) return report.expected(at, "an object", in);
  out.clear();
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    const Step step{at, Step::Kind::kKey, key};
    T& value = out[std::string(key)];
    if (!member.value().is_null()) decodeValue(member.value(), value, &step, report);
  }
}

template <class T>
requires requires { sizeof(Schema<T>); }
void decodeValue(const json::value& in, T& out, const Step* at, DecodeReport& report) {
  const json::object* object = in.if_object();
  if (object == nullptr) return report.expected(at, "an object", in);
  ObjectDecoder decoder(*object, at, report);
  Schema<T>::fields(decoder, out);
  decoder.finish();
}

}  // namespace keelson::api
