#include "api/client/api_error.h"

#include <gtest/gtest.h>

namespace keelson::api::client {
namespace {

std::string status(const std::string& reason, const std::string& message) {
  return json::serialize(json::object{{"kind", "Status"}, {"reason", reason}, {"message", message}});
}

TEST(AnswerError, MapsStatusAndReason) {
  const struct {
    int http;
    std::string body;
    Code code;
    const char* text;
  } cases[] = {
      {400, status("BadRequest", "bad"), Code::kInvalidArgument, "400 Bad Request: bad"},
      {401, "Unauthorized", Code::kPermissionDenied, "401 Unauthorized: Unauthorized"},
      {403, status("Forbidden", "no"), Code::kPermissionDenied, "403 Forbidden: no"},
      {404, status("NotFound", "pods \"a\" not found"), Code::kNotFound,
       "404 Not Found: pods \"a\" not found"},
      {404, "", Code::kNotFound, "404 Not Found"},
      {405, "", Code::kInvalidArgument, "405 Method Not Allowed"},
      {409, status("AlreadyExists", "is there"), Code::kAlreadyExists, "409 Conflict: is there"},
      {409, status("Conflict", "changed"), Code::kFailedPrecondition, "409 Conflict: changed"},
      {410, status("Expired", "old"), Code::kDataLoss, "410 Gone: old"},
      {412, "", Code::kFailedPrecondition, "412 Precondition Failed"},
      {415, "", Code::kInvalidArgument, "415 Unsupported Media Type"},
      {422, status("Invalid", "x"), Code::kInvalidArgument, "422 Unprocessable Entity: x"},
      {429, "", Code::kUnavailable, "429 Too Many Requests"},
      {500, status("InternalError", ""), Code::kUnavailable, "500 Internal Server Error: InternalError"},
      {502, "<html>\r\n<b>bad\x01</b>\n", Code::kUnavailable, "502 Bad Gateway: <html>  <b>bad </b>"},
      {504, status("Timeout", "Too large resource version: 9, current: 5"), Code::kDataLoss,
       "504 Gateway Timeout: Too large resource version: 9, current: 5"},
      {302, "x", Code::kInternal, "302 Found: redirects are not followed"},
      {418, "", Code::kInvalidArgument, "418"},
      {599, "", Code::kUnavailable, "599"},
  };
  for (const auto& c : cases) {
    const Error error = answerError(c.http, c.body);
    EXPECT_EQ(error.code, c.code) << c.text;
    EXPECT_EQ(error.text, c.text);
  }
}

TEST(AnswerError, KnowsTheCauseOfAVersionThatIsTooLarge) {
  const Error error = answerError(
      504,
      R"({"kind":"Status","details":{"causes":[{"reason":"Other"},{"reason":"ResourceVersionTooLarge"}]}})");
  EXPECT_EQ(error.code, Code::kDataLoss);
}

TEST(StatusError, ReadsTheStatusOfAWatch) {
  EXPECT_EQ(statusError(json::parse(R"({"code":410,"reason":"Expired","message":"old"})")).code,
            Code::kDataLoss);
  EXPECT_EQ(statusError(json::parse(R"({"code":410,"reason":"Expired","message":"old"})")).text,
            "410 Expired: old");
  EXPECT_EQ(statusError(json::parse(R"({"code":500})")).code, Code::kUnavailable);
  EXPECT_EQ(statusError(json::parse(R"({"code":403,"reason":"Forbidden"})")).code, Code::kPermissionDenied);
  EXPECT_EQ(statusError(json::parse(R"("x")")).code, Code::kInternal);
  EXPECT_EQ(statusError(json::parse(R"({"code":"x","message":7})")).code, Code::kUnavailable);
}

}  // namespace
}  // namespace keelson::api::client
