// The two messages of grpc.health.v1, in their wire form. All pure.
// https://github.com/grpc/grpc/blob/master/src/proto/grpc/health/v1/health.proto, and the gRPC frame of
// PROTOCOL-HTTP2.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::probes {

inline constexpr size_t kMaxGrpcAnswer = 64 * 1024;

// HealthCheckRequest{service} with its five bytes of frame.
std::string encodeHealthRequest(std::string_view service);

enum class ServingStatus { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };
// HealthCheckResponse in its frame; an empty message is kUnknown, as proto3 has it. kInvalidArgument for
// anything else.
Result<ServingStatus> decodeHealthResponse(std::string_view bytes);
const char* servingStatusName(ServingStatus status);

// "grpc-message" is percent-encoded.
std::string decodeGrpcMessage(std::string_view text);

}  // namespace keelson::probes
