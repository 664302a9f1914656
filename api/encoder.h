// Structs into JSON values, by their Schema.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/int_or_string.h"
#include "api/object_meta.h"
#include "api/quantity.h"
#include "api/schema.h"
#include "base/clock.h"
#include "base/json.h"

namespace keelson::api {

json::value encodeValue(const std::string& in);
json::value encodeValue(bool in);
json::value encodeValue(int32_t in);
json::value encodeValue(int64_t in);
json::value encodeValue(const IntOrString& in);
json::value encodeValue(const Quantity& in);
json::value encodeValue(WallTime in);
json::value encodeValue(Duration in);
json::value encodeValue(double in);
template <class T>
json::value encodeValue(const std::optional<T>& in);
template <class T>
json::value encodeValue(const std::vector<T>& in);
template <class T>
json::value encodeValue(const std::map<std::string, T>& in);
template <class T>
requires requires { sizeof(Schema<T>); }
json::value encodeValue(const T& in);

// What Go's omitempty leaves out.
inline bool isOmittable(const std::string& in) { return in.empty(); }
inline bool isOmittable(bool in) { return !in; }
inline bool isOmittable(int32_t in) { return in == 0; }
inline bool isOmittable(int64_t in) { return in == 0; }
inline bool isOmittable(double in) { return in == 0; }
inline bool isOmittable(Duration) { return false; }
template <class T>
bool isOmittable(const std::optional<T>& in) {
  return !in.has_value();
}
template <class T>
bool isOmittable(const std::vector<T>& in) {
  return in.empty();
}
template <class T>
bool isOmittable(const std::map<std::string, T>& in) {
  return in.empty();
}
inline bool isOmittable(const IntOrString&) { return false; }
inline bool isOmittable(const Quantity&) { return false; }
template <class T>
requires requires { sizeof(Schema<T>); }
bool isOmittable(const T&) { return false; }

// The visitor that writes one JSON object. Lives in one function; any thread.
class ObjectEncoder {
 public:
  static constexpr bool kDecoding = false;

  template <class T>
  void operator()(std::string_view name, const T& in, Emit emit = Emit::kOmitEmpty) {
    if (emit == Emit::kAlways || !isOmittable(in)) put(name, encodeValue(in));
  }
  void base64(std::string_view name, const StringMap& in);
  void overlay(std::string_view, const StringMap&) {}
  void alias(std::string_view name, const std::string& in) { (*this)(name, in); }
  void first(std::string_view name, const std::vector<std::string>& in);
  void wrapped(std::string_view name, const std::string& in, std::string_view inner);
  void wrapped(std::string_view name, const std::optional<std::string>& in, std::string_view inner);
  void wrapped(std::string_view name, const std::vector<std::string>& in, std::string_view inner);
  void ignored(std::initializer_list<std::string_view>) {}
  void oneOf(std::initializer_list<std::string_view>, const std::string& in);
  template <class F>
  void object(std::string_view name, F describe) {
    ObjectEncoder inner;
    describe(inner);
    if (!inner.object_.empty()) put(name, std::move(inner).take());
  }

  json::object take() && { return std::move(object_); }

 private:
  void put(std::string_view name, json::value value);
  json::object object_;
};

template <class T>
json::value encodeValue(const std::optional<T>& in) {
  return in ? encodeValue(*in) : json::value(nullptr);
}

template <class T>
json::value encodeValue(const std::vector<T>& in) {
  json::array out;
  out.reserve(in.size());
  for (const auto& item : in) out.push_back(encodeValue(item));
  return out;
}

template <class T>
json::value encodeValue(const std::map<std::string, T>& in) {
  json::object out;
  out.reserve(in.size());
  for (const auto& [key, item] : in) out.emplace(key, encodeValue(item));
  return out;
}

template <class T>
requires requires { sizeof(Schema<T>); }
json::value encodeValue(const T& in) {
  ObjectEncoder encoder;
  Schema<T>::fields(encoder, in);
  return std::move(encoder).take();
}

}  // namespace keelson::api
