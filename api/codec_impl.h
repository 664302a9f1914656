// The bodies of codec.h; included only where a kind is instantiated.
#pragma once

#include <string>

#include "api/codec.h"
#include "api/decoder.h"
#include "api/encoder.h"
#include "api/schema.h"

namespace keelson::api {

template <class T>
concept HasKind = requires {
  KindOf<T>::kKind;
};

// Reads apiVersion and kind of a whole object and reports others than T's.
template <HasKind T>
void checkKind(const json::object& object, DecodeReport& report) {
  const auto check = [&](std::string_view field, std::string_view want) {
    const json::value* in = object.if_contains({field.data(), field.size()});
    if (in == nullptr) return;
    const Step step{nullptr, Step::Kind::kField, field};
    std::string got;
    const size_t before = report.errors().count();
    decodeValue(*in, got, &step, report);
    if (report.errors().count() == before && got != want) {
      report.wrong(&step, fmt::format("expected {}, got {}", want, quoted(got)));
    }
  };
  check("apiVersion", KindOf<T>::kApiVersion);
  check("kind", KindOf<T>::kKind);
}

template <class T>
Result<Decoded<T>> decode(const json::value& value, UnknownFields unknown) {
  DecodeReport report(unknown);
  Decoded<T> out;
  const json::object* object = value.if_object();
  if (object == nullptr) {
    report.expected(nullptr, "an object", value);
  } else {
    ObjectDecoder decoder(*object, nullptr, report);
    if constexpr (HasKind<T>) {
      checkKind<T>(*object, report);
      decoder.ignored({"apiVersion", "kind"});
    }
    Schema<T>::fields(decoder, out.value);
    decoder.finish();
  }
  TRY(report.errors().result());
  out.warnings = report.takeWarnings();
  return out;
}

template <class T>
json::value encode(const T& value) {
  ObjectEncoder encoder;
  if constexpr (HasKind<T>) {
    encoder("apiVersion", std::string(KindOf<T>::kApiVersion));
    encoder("kind", std::string(KindOf<T>::kKind));
  }
  Schema<T>::fields(encoder, value);
  return std::move(encoder).take();
}

}  // namespace keelson::api

#define KEELSON_API_INSTANTIATE(T)                                                        \
  template Result<Decoded<T>> decode<T>(const json::value& value, UnknownFields unknown); \
  template json::value encode<T>(const T& value)
