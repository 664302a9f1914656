#include "kubelet/server/http.h"

#include <charconv>

namespace keelson::kubelet::server {
namespace {

constexpr size_t kMaxQueryParts = 1024;

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

struct StatusWords {
  int http;
  const char* reason;
};

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
StatusWords statusWords(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
      return {400, "BadRequest"};
    case Code::kNotFound:
      return {404, "NotFound"};
    case Code::kAlreadyExists:
      return {409, "AlreadyExists"};
    case Code::kPermissionDenied:
      return {403, "Forbidden"};
    case Code::kUnsupported:
      return {405, "MethodNotAllowed"};
    case Code::kResourceExhausted:
      return {429, "TooManyRequests"};
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
      return {504, "Timeout"};
    case Code::kUnavailable:
      return {503, "ServiceUnavailable"};
    case Code::kDataLoss:
    case Code::kInternal:
      break;
  }
  return {500, "InternalError"};
}

// Fills `captures` when the decoded path parts fit the pattern.
Result<bool> fits(std::string_view pattern, std::string_view path,
                  std::map<std::string, std::string>& captures) {
  const auto want = split(pattern, '/');
  const auto have = split(path, '/');
  if (want.size() != have.size()) return false;
  for (size_t i = 0; i < want.size(); ++i) {
    if (want[i].starts_with('{')) {
      std::string value = TRY(percentDecode(have[i], false));
      if (value.empty()) return false;
      captures[std::string(want[i].substr(1, want[i].size() - 2))] = std::move(value);
    } else if (want[i] != have[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string Call::queryValue(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

std::vector<std::string> Call::queryValues(const std::string& name) const {
  std::vector<std::string> values;
  const auto [first, last] = query.equal_range(name);
  for (auto each = first; each != last; ++each) values.push_back(each->second);
  return values;
}

bool Call::queryFlag(const std::string& name) const {
  const auto found = query.find(name);
  return found != query.end() && (found->second.empty() || found->second == "1" || found->second == "true");
}

Result<int64_t> Call::queryNumber(const std::string& name, int64_t low, int64_t high, int64_t absent) const {
  const auto found = query.find(name);
  if (found == query.end() || found->second.empty()) return absent;
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return makeError(Code::kInvalidArgument, "{}: expected a whole number from {} to {}, got \"{}\"", name,
                     low, high, text);
  return value;
}

Reply Reply::ofJson(const json::value& value) { return {200, "application/json", json::serialize(value)}; }

Reply Reply::ofText(std::string text) { return {200, "text/plain; charset=utf-8", std::move(text)}; }

Reply Reply::ofError(const Error& error) {
  const StatusWords words = statusWords(error.code);
  Reply reply = ofJson({{"kind", "Status"},
                        {"apiVersion", "v1"},
                        {"metadata", json::object{}},
                        {"status", "Failure"},
                        {"message", error.text},
                        {"reason", words.reason},
                        {"code", words.http}});
  reply.status = words.http;
  reply.message = error.text;
  return reply;
}

Result<std::string> percentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return makeError(Code::kInvalidArgument, "request target: bad escape in \"{}\"", text);
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<Match> matchRoute(const std::vector<Route>& routes, std::string_view method, std::string_view target) {
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  Match match;
  match.call.method = method;
  bool other_method = false;
  for (const Route& route : routes) {
    std::map<std::string, std::string> captures;
    if (!TRY(fits(route.pattern, path, captures))) continue;
    if (route.method != method) {
      other_method = true;
      continue;
    }
    match.route = &route;
    match.call.captures = std::move(captures);
    break;
  }
  if (match.route == nullptr && other_method)
    return makeError(Code::kUnsupported, "{} is not allowed on {}", method, path);
  if (match.route == nullptr) return makeError(Code::kNotFound, "no such path: {}", path);
  match.call.path = TRY(percentDecode(path, false));
  if (question == std::string_view::npos) return match;
  const auto parts = split(target.substr(question + 1), '&');
  if (parts.size() > kMaxQueryParts)
    return makeError(Code::kInvalidArgument, "request target: more than {} query parts", kMaxQueryParts);
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    std::string name = TRY(percentDecode(part.substr(0, equals), true));
    std::string value =
        equals == std::string_view::npos ? "" : TRY(percentDecode(part.substr(equals + 1), true));
    match.call.query.emplace(std::move(name), std::move(value));
  }
  return match;
}

}  // namespace keelson::kubelet::server
