#include "api/client/api_error.h"

#include <algorithm>

namespace keelson::api::client {
namespace {

constexpr size_t kMaxMessage = 1024;
constexpr size_t kMaxForeign = 200;  // of a body that is no Status: a proxy's page

// What matters of metav1.Status.
struct Status {
  int code = 0;
  std::string reason, message;
  bool version_too_large = false;  // a cause says ResourceVersionTooLarge
};

std::string textAt(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains({name.data(), name.size()});
  if (found == nullptr || !found->is_string()) return "";
  return std::string(found->get_string().data(), std::min(found->get_string().size(), kMaxMessage));
}

bool hasCause(const json::object& status, std::string_view reason) {
  const json::value* details = status.if_contains("details");
  if (details == nullptr || !details->is_object()) return false;
  const json::value* causes = details->get_object().if_contains("causes");
  if (causes == nullptr || !causes->is_array()) return false;
  return std::any_of(causes->get_array().begin(), causes->get_array().end(), [&](const json::value& cause) {
    return cause.is_object() && textAt(cause.get_object(), "reason") == reason;
  });
}

Status readStatus(const json::object& object) {
  Status status;
  status.reason = textAt(object, "reason");
  status.message = textAt(object, "message");
  status.version_too_large = hasCause(object, "ResourceVersionTooLarge") ||
                             status.message.find("Too large resource version") != std::string::npos;
  const json::value* code = object.if_contains("code");
  if (code != nullptr && code->is_int64() && code->get_int64() >= 100 && code->get_int64() < 600) {
    status.code = static_cast<int>(code->get_int64());
  }
  return status;
}

Code codeOf(int http, const Status& status) {
  // The server cannot know the version that we ask for (it was restored, or it lags): list anew.
  if (status.version_too_large) return Code::kDataLoss;
  if (http == 410 || status.reason == "Expired" || status.reason == "Gone") return Code::kDataLoss;
  if (status.reason == "AlreadyExists") return Code::kAlreadyExists;
  switch (http) {
    case 401:
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 408:
    case 425:
    case 429:
      return Code::kUnavailable;
    case 409:
    case 412:
      return Code::kFailedPrecondition;
    default:
      if (http >= 500) return Code::kUnavailable;
      return http >= 400 ? Code::kInvalidArgument : Code::kInternal;
  }
}

// Text of a stranger for one line of a log.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxForeign)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// A heading from the HTTP status, or from the Status object's reason where HTTP's words say less.
std::string heading(int http, const Status& status) {
  const std::string_view phrase = statusPhrase(http);
  if (!phrase.empty()) return fmt::format("{} {}", http, phrase);
  return status.reason.empty() ? std::to_string(http) : fmt::format("{} {}", http, printable(status.reason));
}

}  // namespace

Error answerError(int http_status, std::string_view body) {
  Status status;
  std::string message;
  const auto parsed = parseJson(body, size_t{1} << 20);
  const json::object* object = parsed.ok() ? parsed->if_object() : nullptr;
  if (object != nullptr && textAt(*object, "kind") == "Status") {
    status = readStatus(*object);
    message = status.message.empty() ? status.reason : status.message;
  } else {
    message = printable(body);
  }
  if (http_status >= 300 && http_status < 400) message = "redirects are not followed";
  std::string text = heading(http_status, status);
  if (!message.empty()) text += ": " + message;
  return Error{codeOf(http_status, status), 0, std::move(text)};
}

Error statusError(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return Error{Code::kInternal, 0, "an error without a Status object"};
  const Status status = readStatus(*object);
  const int http = status.code == 0 ? 500 : status.code;
  std::string text = fmt::format("{} {}", http, status.reason.empty() ? "Failure" : printable(status.reason));
  if (!status.message.empty()) text += ": " + status.message;
  return Error{codeOf(http, status), 0, std::move(text)};
}

std::string_view statusPhrase(int http_status) {
  switch (http_status) {
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";
  }
}

}  // namespace keelson::api::client
