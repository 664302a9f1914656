#include "probes/grpc_message.h"

namespace keelson::probes {
namespace {

constexpr size_t kFrameHead = 5;  // compressed flag, length in four bytes, high first
constexpr uint8_t kServiceField = 1 << 3 | 2, kStatusField = 1 << 3;

void appendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// Takes a base-128 number off the front.
Result<uint64_t> takeVarint(std::string_view& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return makeError(Code::kInvalidArgument, "health response: a number breaks off");
}

// Takes one unknown field off the front, so that later versions of the message are understood.
Result<void> skipField(std::string_view& bytes, uint64_t tag) {
  size_t size = 0;
  switch (tag & 7) {
    case 0:
      TRY(takeVarint(bytes));
      return {};
    case 1:
      size = 8;
      break;
    case 2:
      size = TRY(takeVarint(bytes));
      break;
    case 5:
      size = 4;
      break;
    default:
      return makeError(Code::kInvalidArgument, "health response: wire type {}", tag & 7);
  }
  if (size > bytes.size()) return makeError(Code::kInvalidArgument, "health response: a field breaks off");
  bytes.remove_prefix(size);
  return {};
}

}  // namespace

std::string encodeHealthRequest(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += static_cast<char>(kServiceField);
    appendVarint(message, service.size());
    message += service;
  }
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(message.size() >> shift & 0xff);
  return frame + message;
}

Result<ServingStatus> decodeHealthResponse(std::string_view bytes) {
  if (bytes.size() < kFrameHead || bytes[0] != '\0')
    return makeError(Code::kInvalidArgument, "health response: a plain frame is expected, got {} bytes",
                     bytes.size());
  size_t size = 0;
  for (size_t i = 1; i < kFrameHead; ++i) size = size << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(kFrameHead);
  if (size != bytes.size())
    return makeError(Code::kInvalidArgument, "health response: {} bytes announced, {} came", size,
                     bytes.size());
  auto status = ServingStatus::kUnknown;
  while (!bytes.empty()) {
    const uint64_t tag = TRY(takeVarint(bytes));
    if (tag != kStatusField) {
      TRY(skipField(bytes, tag));
      continue;
    }
    const uint64_t value = TRY(takeVarint(bytes));
    status = value <= 3 ? static_cast<ServingStatus>(value) : ServingStatus::kUnknown;
  }
  return status;
}

const char* servingStatusName(ServingStatus status) {
  switch (status) {
    case ServingStatus::kUnknown:
      return "UNKNOWN";
    case ServingStatus::kServing:
      return "SERVING";
    case ServingStatus::kNotServing:
      return "NOT_SERVING";
    case ServingStatus::kServiceUnknown:
      return "SERVICE_UNKNOWN";
  }
  return "UNKNOWN";
}

std::string decodeGrpcMessage(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace keelson::probes
