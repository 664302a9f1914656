#include "tests/fakes/api_server/http_front.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <set>

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/node_rules.h"

namespace keelson::fakes {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Status = boost::system::error_code;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr size_t kMaxBody = size_t{3} << 20;  // as upstream
constexpr size_t kMaxConnections = 1000;
constexpr auto kIdle = std::chrono::minutes(5);

User anonymous() { return {"system:anonymous", "", {"system:unauthenticated"}}; }

bool isAdmin(const User& user) {
  return std::find(user.groups.begin(), user.groups.end(), "system:masters") != user.groups.end();
}

}  // namespace

struct HttpFront::Impl : std::enable_shared_from_this<HttpFront::Impl> {
  struct Session;

  Impl(Loop& loop_in, const Clock& clock_in, ApiServer& server_in, FrontSettings settings_in)
      : loop(loop_in),
        clock(clock_in),
        server(server_in),
        settings(std::move(settings_in)),
        acceptor(loop.context()),
        tls(asio::ssl::context::tls_server) {}

  Result<void> start();
  void accept();
  void stop();
  Answer control(const Request& request);

  Loop& loop;
  const Clock& clock;
  ApiServer& server;
  FrontSettings settings;
  HttpChaos chaos;
  Tcp::acceptor acceptor;
  asio::ssl::context tls;
  std::set<std::shared_ptr<Session>> sessions;
  std::vector<std::function<void()>> waiting;  // requests that came during a pause
  std::map<std::string, uint64_t> counts;      // by "METHOD path"
  uint64_t listener = 0;
  bool flush_posted = false, stopped = false;
  Registration bookmarks;
};

// One connection: requests one after the other, or a watch to its end.
struct HttpFront::Impl::Session : std::enable_shared_from_this<Session> {
  Session(std::shared_ptr<Impl> front_in, Tcp::socket socket)
      : front(std::move(front_in)), stream(beast::tcp_stream(std::move(socket)), front->tls) {}

  void start() {
    beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(30));
    stream.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](Status error) {
      if (error) return self->close();
      self->whoIsThere();
      self->read();
    });
  }

  // The client certificate, if there is one.
  void whoIsThere() {
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

  void read() {
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

  void arrived() {
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

  std::optional<User> whoAsks() {
    const std::string_view authorization = request[http::field::authorization];
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization.starts_with(kBearer))
      return front->server.authenticate(authorization.substr(kBearer.size()));
    if (bad_certificate) return std::nullopt;
    return user ? user : std::optional(anonymous());
  }

  void serve() {
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

  void reply(Answer answer) {
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

  void beginWatch() {
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

  void endWatch() {
    if (!watch || ending) return;
    frame(watch->bookmark());  // upstream's last word before a timeout
    ending = true;
    out += "0\r\n\r\n";
    write();
  }

  void frame(const std::string& lines) {
    if (!lines.empty() && !ending) out += fmt::format("{:x}\r\n{}\r\n", lines.size(), lines);
  }

  void flush(bool bookmark = false) {
    if (!watch || ending || front->chaos.pause || writing) return write();
    frame(watch->take());
    if (bookmark) frame(watch->bookmark());
    if (watch->ended()) {
      ending = true;
      out += "0\r\n\r\n";
    }
    write();
  }

  void write() {
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

  void close() {
    if (closed) return;
    closed = true;
    timer.reset();
    Status ignored;
    auto& socket = beast::get_lowest_layer(stream).socket();
    if (ending) socket.shutdown(Tcp::socket::shutdown_send, ignored);
    socket.close(ignored);
    front->sessions.erase(shared_from_this());
  }

  std::shared_ptr<Impl> front;
  asio::ssl::stream<beast::tcp_stream> stream;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  Request request;
  std::optional<User> user;
  std::unique_ptr<Watch> watch;
  std::string out;
  char unread = 0;
  bool bad_certificate = false, writing = false, ending = false, closed = false;
  Registration timer;
};

Result<void> HttpFront::Impl::start() {
  Subject subject{"kube-apiserver", {}, settings.names, settings.addresses};
  subject.dns_names.insert(subject.dns_names.end(),
                           {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                            "kubernetes.default.svc.cluster.local"});
  subject.addresses.insert(subject.addresses.end(), {"127.0.0.1", "10.96.0.1"});
  const auto& pki = server.pki();
  const auto pair = TRY(pki.issue(subject, Pki::Use::kServer, clock.wall(), std::chrono::hours(24 * 365)));
  Status error;
  tls.use_certificate_chain(asio::buffer(pair.certificate_pem), error);
  if (!error) tls.use_private_key(asio::buffer(pair.key_pem), asio::ssl::context::pem, error);
  if (!error) tls.add_certificate_authority(asio::buffer(pki.caPem()), error);
  if (error) return makeError(Code::kInternal, "the server's certificate: {}", error.message());
  // A certificate that does not verify is no reason to refuse the connection: it is answered 401.
  tls.set_verify_mode(asio::ssl::verify_peer);
  SSL_CTX_set_verify(tls.native_handle(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  SSL_CTX_set_session_id_context(tls.native_handle(), reinterpret_cast<const unsigned char*>("fake"), 4);
  const auto address = asio::ip::make_address(settings.address, error);
  if (error) return makeError(Code::kInvalidArgument, "address {}: {}", settings.address, error.message());
  const Tcp::endpoint endpoint(address, settings.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return makeError(Code::kUnavailable, "listen on {}:{}: {}", settings.address, settings.port,
                     error.message());
  }
  listener = server.store().listen([this] {
    if (std::exchange(flush_posted, true)) return;
    loop.post([self = shared_from_this()] {
      self->flush_posted = false;
      const auto all = self->sessions;
      for (const auto& session : all) session->flush();
    });
  });
  bookmarks = loop.every(settings.bookmark_period, [this] {
    const auto all = sessions;
    for (const auto& session : all) session->flush(true);
  });
  accept();
  return {};
}

void HttpFront::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](Status error, Tcp::socket socket) {
    if (self->stopped) return;
    Status ignored;
    if (!error && (self->chaos.refuse || self->sessions.size() >= kMaxConnections)) {
      socket.set_option(asio::socket_base::linger(true, 0), ignored);  // a reset, as a closed port gives
      socket.close(ignored);
    } else if (!error) {
      socket.set_option(Tcp::no_delay(true), ignored);
      auto session = std::make_shared<Session>(self, std::move(socket));
      self->sessions.insert(session);
      session->start();
    }
    self->accept();
  });
}

void HttpFront::Impl::stop() {
  stopped = true;
  server.store().unlisten(listener);
  bookmarks.reset();
  waiting.clear();
  Status ignored;
  acceptor.close(ignored);
  const auto all = sessions;
  for (const auto& session : all) session->close();
}

Answer HttpFront::Impl::control(const Request& request) {
  if (request.target() == "/fake/requests") return {200, json::value_from(counts), {}};
  if (request.target() != "/fake/chaos" || request.method() != http::verb::post) return pathNotFound();
  const auto parsed = parseJson(request.body());
  if (!parsed || !parsed->is_object()) return badRequest("chaos is a JSON object");
  const auto& wish = parsed->get_object();
  if (wish.contains("refuse")) chaos.refuse = flagAt(wish, "refuse");
  if (wish.contains("delayMs")) chaos.delay = std::chrono::milliseconds(numberAt(wish, "delayMs"));
  chaos.fail_next = static_cast<int>(numberAt(wish, "failNext", chaos.fail_next));
  chaos.fail_code = static_cast<int>(numberAt(wish, "failCode", chaos.fail_code));
  if (wish.contains("failPath")) chaos.fail_path = textAt(wish, "failPath");
  auto& faults = server.watchFaults();
  faults.drop = static_cast<int>(numberAt(wish, "drop", faults.drop));
  faults.duplicate = static_cast<int>(numberAt(wish, "duplicate", faults.duplicate));
  faults.reorder = static_cast<int>(numberAt(wish, "reorder", faults.reorder));
  if (const auto jump = numberAt(wish, "skipVersions"); jump > 0)
    server.store().skipVersions(static_cast<uint64_t>(jump));
  if (flagAt(wish, "compact")) server.store().compact();
  if (wish.contains("pause")) {
    chaos.pause = flagAt(wish, "pause");
    if (!chaos.pause) {
      loop.post([self = shared_from_this()] {
        for (const auto& go : std::exchange(self->waiting, {})) go();
        const auto all = self->sessions;
        for (const auto& session : all) session->flush();
      });
    }
  }
  if (flagAt(wish, "cut")) {  // the asker is cut too, but has its answer
    loop.post([self = shared_from_this(), all = sessions] {
      for (const auto& session : all) {
        if (std::string_view(session->request.target()) != "/fake/chaos") session->close();
      }
    });
  }
  return {200, json::object{{"connections", sessions.size()}}, {}};
}

HttpFront::HttpFront(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpFront::~HttpFront() { impl_->stop(); }
uint16_t HttpFront::port() const { return impl_->acceptor.local_endpoint().port(); }
HttpChaos& HttpFront::chaos() { return impl_->chaos; }
size_t HttpFront::connections() const { return impl_->sessions.size(); }

void HttpFront::cutConnections() {
  const auto all = impl_->sessions;
  for (const auto& session : all) session->close();
}

void HttpFront::resume() {
  impl_->chaos.pause = false;
  for (const auto& go : std::exchange(impl_->waiting, {})) go();
  const auto all = impl_->sessions;
  for (const auto& session : all) session->flush();
}

Result<std::unique_ptr<HttpFront>> HttpFront::open(Loop& loop, const Clock& clock, ApiServer& server,
                                                   FrontSettings settings) {
  auto impl = std::make_shared<Impl>(loop, clock, server, std::move(settings));
  TRY(impl->start());
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(impl)));
}

}  // namespace keelson::fakes
