#include "probes/grpc_message.h"

#include <gtest/gtest.h>

namespace keelson::probes {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

TEST(GrpcMessage, TheRequestHasItsFrameAndService) {
  EXPECT_EQ(encodeHealthRequest(""), bytes({0, 0, 0, 0, 0}));
  EXPECT_EQ(encodeHealthRequest("ab"), bytes({0, 0, 0, 0, 4, 0x0a, 2, 'a', 'b'}));
  EXPECT_EQ(encodeHealthRequest(std::string(200, 'x')).substr(0, 8), bytes({0, 0, 0, 0, 203, 0x0a, 0xc8, 1}));
}

TEST(GrpcMessage, ResponsesAreReadAlsoWithFieldsOfLaterVersions) {
  EXPECT_EQ(decodeHealthResponse(bytes({0, 0, 0, 0, 2, 8, 1})).value(), ServingStatus::kServing);
  EXPECT_EQ(decodeHealthResponse(bytes({0, 0, 0, 0, 2, 8, 2})).value(), ServingStatus::kNotServing);
  EXPECT_EQ(decodeHealthResponse(bytes({0, 0, 0, 0, 0})).value(), ServingStatus::kUnknown);
  EXPECT_EQ(decodeHealthResponse(bytes({0, 0, 0, 0, 5, 0x12, 1, 'x', 8, 1})).value(),
            ServingStatus::kServing);
}

TEST(GrpcMessage, WhatIsNoResponseIsRefused) {
  for (const auto& bad :
       {std::string(), bytes({1, 0, 0, 0, 0}), bytes({0, 0, 0, 0, 3, 8, 1}), bytes({0, 0, 0, 0, 1, 8}),
        bytes({0, 0, 0, 0, 2, 8, 0x80}), bytes({0, 0, 0, 0, 2, 0x12, 9}), bytes({0, 0, 0, 0, 1, 0x0b})})
    EXPECT_FALSE(decodeHealthResponse(bad).ok());
}

TEST(GrpcMessage, MessagesArePercentDecoded) { EXPECT_EQ(decodeGrpcMessage("a%20b%2x%"), "a b%2x%"); }

}  // namespace
}  // namespace keelson::probes
