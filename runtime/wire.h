// The tagged encoding of plan.h and shim_protocol.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace keelson::runtime {

// A struct is a run of fields {u32 tag, u32 length, bytes}, host byte order (both ends are one machine).
// Scalars are their 1, 4 or 8 bytes; strings their bytes; a struct its own fields; a vector one field
// with {u32 length, bytes} an element. Unknown tags are skipped, missing ones keep the default. Decoding
// never trusts a length: anything that does not fit is kDataLoss. Any thread.

// A list of a message may have so many elements: an element may cost 4 bytes on the wire and 200 in memory.
inline constexpr size_t kMaxWireElements = 65536;

namespace wire_detail {

template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

void appendRaw(std::string& out, const void* data, size_t size);
inline void appendU32(std::string& out, uint32_t value) { appendRaw(out, &value, sizeof value); }

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  template <class T>
  void operator()(uint32_t tag, T& value) {
    appendU32(out_, tag);
    writeSized(value);
  }

 private:
  template <class T>
  void writeSized(T& value) {
    const size_t at = out_.size();
    appendU32(out_, 0);
    writeBody(value);
    const auto length = static_cast<uint32_t>(out_.size() - at - sizeof(uint32_t));
    std::memcpy(out_.data() + at, &length, sizeof length);
  }
  template <Scalar T>
  void writeBody(T& value) {
    appendRaw(out_, &value, sizeof value);
  }
  void writeBody(std::string& value) { out_ += value; }
  template <class T>
  void writeBody(std::vector<T>& values) {
    for (auto& value : values) writeSized(value);
  }
  template <class T>
  requires(!Scalar<T>) void writeBody(T& value) { value.fields(*this); }

  std::string& out_;
};

// Takes one {u32 length, bytes} off `in`. False if it does not fit.
bool takeSized(std::string_view& in, std::string_view& piece);

template <class T>
bool decodeStruct(std::string_view in, T& value);
template <class T>
bool decodeBody(std::string_view in, std::vector<T>& values);
template <class T>
requires(!Scalar<T>) bool decodeBody(std::string_view in, T& value);

template <Scalar T>
bool decodeBody(std::string_view in, T& value) {
  if (in.size() != sizeof value) return false;
  if constexpr (std::is_same_v<T, bool>) {
    value = in[0] != 0;
  } else {
    std::memcpy(&value, in.data(), sizeof value);
  }
  return true;
}
inline bool decodeBody(std::string_view in, std::string& value) {
  value.assign(in);
  return true;
}
template <class T>
bool decodeBody(std::string_view in, std::vector<T>& values) {
  values.clear();
  while (!in.empty()) {
    std::string_view piece;
    if (values.size() >= kMaxWireElements || !takeSized(in, piece)) return false;
    T value{};
    if (!decodeBody(piece, value)) return false;
    values.push_back(std::move(value));
  }
  return true;
}
template <class T>
requires(!Scalar<T>) bool decodeBody(std::string_view in, T& value) { return decodeStruct(in, value); }

// Looks for one field's tag among the struct's fields.
class FieldDecoder {
 public:
  FieldDecoder(uint32_t tag, std::string_view body) : tag_(tag), body_(body) {}
  template <class T>
  void operator()(uint32_t tag, T& value) {
    if (tag == tag_) fits_ = decodeBody(body_, value);
  }
  bool fits() const { return fits_; }

 private:
  uint32_t tag_;
  std::string_view body_;
  bool fits_ = true;
};

template <class T>
bool decodeStruct(std::string_view in, T& value) {
  while (!in.empty()) {
    if (in.size() < sizeof(uint32_t)) return false;
    uint32_t tag = 0;
    std::memcpy(&tag, in.data(), sizeof tag);
    in.remove_prefix(sizeof tag);
    std::string_view body;
    if (!takeSized(in, body)) return false;
    FieldDecoder decoder(tag, body);
    value.fields(decoder);
    if (!decoder.fits()) return false;
  }
  return true;
}

}  // namespace wire_detail

template <class T>
std::string encodeWire(const T& value) {
  std::string out;
  wire_detail::Encoder encoder(out);
  const_cast<T&>(value).fields(encoder);  // `fields` serves both directions; encoding only reads
  return out;
}

template <class T>
Result<T> decodeWire(std::string_view in) {
  T value{};
  if (!wire_detail::decodeStruct(in, value))
    return makeError(Code::kDataLoss, "shim message: malformed field");
  return value;
}

}  // namespace keelson::runtime
