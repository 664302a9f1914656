#include "api/encoder.h"

#include "api/base64.h"

namespace keelson::api {

json::value encodeValue(const std::string& in) { return json::string(in); }
json::value encodeValue(bool in) { return in; }
json::value encodeValue(int32_t in) { return in; }
json::value encodeValue(int64_t in) { return in; }

json::value encodeValue(const IntOrString& in) {
  return std::visit([](const auto& value) { return encodeValue(value); }, in);
}

json::value encodeValue(const Quantity& in) { return json::string(in.str()); }
json::value encodeValue(WallTime in) { return json::string(formatTime(in)); }
json::value encodeValue(Duration in) { return json::string(formatDuration(in)); }
json::value encodeValue(double in) { return in; }

void ObjectEncoder::put(std::string_view name, json::value value) {
  object_.insert_or_assign({name.data(), name.size()}, std::move(value));
}

void ObjectEncoder::base64(std::string_view name, const StringMap& in) {
  StringMap encoded;
  for (const auto& [key, bytes] : in) encoded.emplace(key, encodeBase64(bytes));
  (*this)(name, encoded);
}

void ObjectEncoder::first(std::string_view name, const std::vector<std::string>& in) {
  if (!in.empty()) (*this)(name, in.front());
}

void ObjectEncoder::wrapped(std::string_view name, const std::string& in, std::string_view inner) {
  object(name, [&](ObjectEncoder& encoder) { encoder(inner, in); });
}

void ObjectEncoder::wrapped(std::string_view name, const std::optional<std::string>& in,
                            std::string_view inner) {
  if (!in) return;
  object(name, [&](ObjectEncoder& encoder) { encoder(inner, *in, kAlways); });
}

void ObjectEncoder::wrapped(std::string_view name, const std::vector<std::string>& in,
                            std::string_view inner) {
  if (in.empty()) return;
  json::array out;
  for (const auto& text : in) {
    ObjectEncoder item;
    item(inner, text, kAlways);
    out.push_back(std::move(item).take());
  }
  put(name, std::move(out));
}

void ObjectEncoder::oneOf(std::initializer_list<std::string_view>, const std::string& in) {
  if (!in.empty()) put(in, json::object());
}

}  // namespace keelson::api
