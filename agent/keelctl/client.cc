#include "agent/keelctl/client.h"

#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace keelson::keelctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using Socket = asio::local::stream_protocol::socket;

constexpr size_t kMaxAnswerBytes = size_t{256} << 20;
constexpr size_t kPieceBytes = 64 * 1024;

Result<Socket> connect(asio::io_context& context, const std::string& path) {
  Socket socket(context);
  error_code error;
  socket.connect(asio::local::stream_protocol::endpoint(path), error);
  if (error)
    return errnoError(error.value(), "status socket " + path + " (is keelson running, and are you root?)");
  return socket;
}

Error transport(const error_code& error) {
  return makeError(Code::kUnavailable, "status socket: {}", error.message());
}

// The daemon's Status as an Error of the same meaning.
Error answerError(unsigned status, std::string_view body) {
  std::string message(body);
  if (const auto value = parseJson(body); value && value->is_object()) {
    if (const auto* text = value->get_object().if_contains("message"); text && text->is_string())
      message = std::string(text->get_string());
  }
  return Error{status == 404 ? Code::kNotFound : Code::kInvalidArgument, 0, std::move(message)};
}

Result<json::value> toJson(const http::response<http::string_body>& response) {
  if (response.result_int() >= 400) return answerError(response.result_int(), response.body());
  if (response.body().empty()) return json::value();
  return parseJson(response.body(), kMaxAnswerBytes);
}

Result<http::response<http::string_body>> readWhole(Socket& socket) {
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  error_code error;
  http::read(socket, buffer, parser, error);
  if (error) return transport(error);
  return parser.release();
}

std::string encodePart(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~')
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace

std::string makeTarget(const std::vector<std::string>& parts, const Query& query) {
  std::string target;
  for (const std::string& part : parts) target += "/" + encodePart(part);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator + encodePart(name) + "=" + encodePart(value);
    separator = '&';
  }
  return target;
}

Result<json::value> Client::getJson(const std::string& target) const { return send("GET", target); }

Result<json::value> Client::send(const std::string& method, const std::string& target) const {
  asio::io_context context;
  Socket socket = TRY(connect(context, socket_path_));
  http::request<http::empty_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "keelson");
  request.keep_alive(false);
  request.prepare_payload();
  error_code error;
  http::write(socket, request, error);
  if (error) return transport(error);
  return toJson(TRY(readWhole(socket)));
}

Result<void> Client::stream(const std::string& target,
                            const std::function<bool(std::string_view)>& sink) const {
  asio::io_context context;
  Socket socket = TRY(connect(context, socket_path_));
  http::request<http::empty_body> request(http::verb::get, target, 11);
  request.set(http::field::host, "keelson");
  error_code error;
  http::write(socket, request, error);
  if (error) return transport(error);
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(socket, buffer, parser, error);
  if (error) return transport(error);
  const bool failed = parser.get().result_int() >= 400;
  std::string failure;
  std::array<char, kPieceBytes> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read_some(socket, buffer, parser, error);
    if (error && error != http::error::need_buffer) return transport(error);
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    if (failed) {
      failure.append(got.substr(0, kPieceBytes));
    } else if (!got.empty() && !sink(got)) {
      return {};
    }
  }
  if (failed) return answerError(parser.get().result_int(), failure);
  return {};
}

Result<json::value> Client::upload(const std::string& target, int fd) const {
  asio::io_context context;
  Socket socket = TRY(connect(context, socket_path_));
  http::request<http::buffer_body> request(http::verb::post, target, 11);
  request.set(http::field::host, "keelson");
  request.set(http::field::content_type, "application/octet-stream");
  request.keep_alive(false);
  request.chunked(true);
  request.body().data = nullptr;
  request.body().more = true;
  http::request_serializer<http::buffer_body> serializer(request);
  error_code error;
  http::write_header(socket, serializer, error);
  std::array<char, kPieceBytes> piece;
  while (!error) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sysError("read the archive");
    request.body().data = got == 0 ? nullptr : piece.data();
    request.body().size = static_cast<size_t>(got);
    request.body().more = got != 0;
    http::write(socket, serializer, error);
    if (got == 0) break;
    if (error == http::error::need_buffer) error = {};
  }
  // A daemon that refuses the upload answers and closes while we still write: its answer matters.
  auto response = readWhole(socket);
  if (!response) return error ? transport(error) : std::move(response).error();
  return toJson(*response);
}

}  // namespace keelson::keelctl
