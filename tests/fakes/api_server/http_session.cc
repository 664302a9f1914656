#include "tests/fakes/api_server/http_session.h"

#include <boost/asio/write.hpp>

#include "tests/fakes/api_server/node_rules.h"

namespace keelson::fakes {
namespace {

constexpr size_t kMaxBody = size_t{3} << 20;  // as upstream
constexpr auto kIdle = std::chrono::minutes(5);

User anonymous() { return {"system:anonymous", "", {"system:unauthenticated"}}; }

bool isAdmin(const User& user) {
  return std::find(user.groups.begin(), user.groups.end(), "system:masters") != user.groups.end();
}

}  // namespace

HttpSession::HttpSession(std::shared_ptr<HttpFront::Impl> front_in, Tcp::socket socket)
    : front(std::move(front_in)), stream(beast::tcp_stream(std::move(socket)), front->tls) {}

void HttpSession::start() {
  beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(30));
  stream.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](Status error) {
    if (error) return self->close();
    self->whoIsThere();
    self->read();
  });
}

void HttpSession::whoIsThere() {
  X509* certificate = SSL_get1_peer_certificate(stream.native_handle());
  if (certificate == nullptr) return;
  const bool good = SSL_get_verify_result(stream.native_handle()) == X509_V_OK;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  const auto subject = Pki::readSubject({data, static_cast<size_t>(size)});
  BIO_free(bio);
  X509_free(certificate);
  bad_certificate = !good || !subject;
  if (bad_certificate) return;
  user = User{subject->common_name, "", subject->organizations};
  user->groups.emplace_back("system:authenticated");
}

void HttpSession::read() {
  parser.emplace();
  parser->body_limit(kMaxBody);
  beast::get_lowest_layer(stream).expires_after(kIdle);
  http::async_read(stream, buffer, *parser, [self = shared_from_this()](Status error, size_t) {
    if (error == http::error::body_limit) {
      return self->reply(
          statusFailure(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"));
    }
    if (error) return self->close();
    self->request = self->parser->release();
    self->arrived();
  });
}

void HttpSession::arrived() {
  const std::string target(request.target());
  ++front->counts[std::string(request.method_string()) + " " + target.substr(0, target.find('?'))];
  if (target.starts_with("/fake/")) return serve();
  if (front->chaos.pause) {
    front->waiting.push_back([self = shared_from_this()] { self->serve(); });
  } else if (front->chaos.delay > Duration(0)) {
    timer = front->loop.after(front->chaos.delay, [self = shared_from_this()] { self->serve(); });
  } else {
    serve();
  }
}

std::optional<User> HttpSession::whoAsks() {
  const std::string_view authorization = request[http::field::authorization];
  constexpr std::string_view kBearer = "Bearer ";
  if (authorization.starts_with(kBearer))
    return front->server.authenticate(authorization.substr(kBearer.size()));
  if (bad_certificate) return std::nullopt;
  return user ? user : std::optional(anonymous());
}

void HttpSession::serve() {
  if (front->stopped) return close();
  const std::string target(request.target());
  const auto mark = std::min(target.find('?'), target.size());
  ServerCall call;
  call.path = target.substr(0, mark);
  call.query = parseQuery(std::string_view(target).substr(std::min(mark + 1, target.size())));
  call.method = request.method_string();
  auto& chaos = front->chaos;
  const bool control = call.path.starts_with("/fake/");
  if (!control && chaos.fail_next > 0 && call.path.find(chaos.fail_path) != std::string::npos) {
    --chaos.fail_next;
    return reply(chaos.fail_code == 429
                     ? tooManyRequests(1)
                     : statusFailure(chaos.fail_code, "InternalError", "a fault on demand"));
  }
  const auto who = whoAsks();
  if (!who) return reply(unauthorized());
  call.user = *who;
  if (auto refused = strangerRefusal(call)) return reply(std::move(*refused));
  if (control) {
    if (!isAdmin(*who)) return reply(statusFailure(403, "Forbidden", "only for system:masters"));
    return reply(front->control(request));
  }
  if (!request.body().empty()) {
    const std::string type(request[http::field::content_type]);
    if (type.find("json") == type.npos && !type.empty()) return reply(unsupportedMediaType(type));
    auto body = parseJson(request.body());
    if (!body) return reply(badRequest("couldn't decode the body: " + body.error().text));
    call.body = std::move(body).value();
    if (!type.empty()) call.content_type = type;
  }
  call.table = std::string_view(request[http::field::accept]).find("as=Table") != std::string_view::npos;
  auto result = front->server.handle(call);
  if (auto* answer = std::get_if<Answer>(&result)) return reply(std::move(*answer));
  watch = std::move(std::get<std::unique_ptr<Watch>>(result));
  beginWatch();
}

void HttpSession::reply(Answer answer) {
  auto response = std::make_shared<Response>(static_cast<http::status>(answer.code), 11);
  response->keep_alive(request.keep_alive());
  const bool text = answer.body.is_string();
  response->set(http::field::content_type, text ? "text/plain; charset=utf-8" : "application/json");
  for (const auto& [name, value] : answer.headers) response->set(name, value);
  response->body() = text ? std::string(answer.body.get_string()) : json::serialize(answer.body) + "\n";
  response->prepare_payload();
  beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(30));
  http::async_write(stream, *response, [self = shared_from_this(), response](Status error, size_t) {
    if (error || response->need_eof()) return self->close();
    self->read();
  });
}

void HttpSession::beginWatch() {
  out = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  beast::get_lowest_layer(stream).expires_never();
  if (const auto timeout = watch->options().timeout) {
    timer = front->loop.after(*timeout, [self = shared_from_this()] { self->endWatch(); });
  }
  // A client that ends its watch closes the connection.
  stream.async_read_some(asio::buffer(&unread, 1),
                         [self = shared_from_this()](Status, size_t) { self->close(); });
  flush();
}

void HttpSession::endWatch() {
  if (!watch || ending) return;
  frame(watch->bookmark());  // upstream's last word before a timeout
  ending = true;
  out += "0\r\n\r\n";
  write();
}

void HttpSession::frame(const std::string& lines) {
  if (!lines.empty() && !ending) out += fmt::format("{:x}\r\n{}\r\n", lines.size(), lines);
}

void HttpSession::flush(bool bookmark) {
  if (!watch || ending || front->chaos.pause || writing) return write();
  frame(watch->take());
  if (bookmark) frame(watch->bookmark());
  if (watch->ended()) {
    ending = true;
    out += "0\r\n\r\n";
  }
  write();
}

void HttpSession::write() {
  if (writing || out.empty() || closed) return;
  writing = true;
  auto data = std::make_shared<std::string>(std::exchange(out, ""));
  asio::async_write(stream, asio::buffer(*data), [self = shared_from_this(), data](Status error, size_t) {
    self->writing = false;
    if (error) return self->close();
    if (self->ending && self->out.empty()) return self->close();
    self->flush();
  });
}

void HttpSession::close() {
  if (closed) return;
  closed = true;
  timer.reset();
  Status ignored;
  auto& socket = beast::get_lowest_layer(stream).socket();
  if (ending) socket.shutdown(Tcp::socket::shutdown_send, ignored);
  socket.close(ignored);
  front->sessions.erase(shared_from_this());
}

}  // namespace keelson::fakes
