#include "tests/fakes/api_server/http_front.h"

#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/http_session.h"

namespace keelson::fakes {
namespace {

constexpr size_t kMaxConnections = 1000;

}  // namespace

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
      auto session = std::make_shared<HttpSession>(self, std::move(socket));
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
