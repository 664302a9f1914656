#include "kubelet/server/connection.h"

#include "kubelet/server/channels.h"

namespace keelson::kubelet::server {
namespace {

namespace http = beast::http;
namespace websocket = beast::websocket;

constexpr size_t kChunkBytes = 64 * 1024;  // of streamed request bodies
constexpr char kSpdy[] = "SPDY/3.1";

// The chain that the client showed, DER, the leaf first; empty without one.
std::vector<std::string> shownCertificates(SSL* ssl) {
  std::vector<std::string> shown;
  const auto add = [&](X509* certificate) {
    unsigned char* der = nullptr;
    const int size = ::i2d_X509(certificate, &der);
    if (size > 0) shown.emplace_back(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    ::OPENSSL_free(der);
  };
  X509* leaf = ::SSL_get1_peer_certificate(ssl);
  if (leaf == nullptr) return shown;
  add(leaf);
  ::X509_free(leaf);
  STACK_OF(X509)* chain = ::SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) add(sk_X509_value(chain, i));
  return shown;
}

Call::Stream streamOf(const http::request<http::buffer_body>& request) {
  if (websocket::is_upgrade(request)) return Call::Stream::kWebSocket;
  const bool upgrades = http::token_list(request[http::field::connection]).exists("upgrade");
  return upgrades && beast::iequals(request[http::field::upgrade], kSpdy) ? Call::Stream::kSpdy
                                                                          : Call::Stream::kNone;
}

std::vector<std::string> subprotocolsOf(const http::request<http::buffer_body>& request) {
  std::vector<std::string> names;
  const auto take = [&](auto range) {
    for (auto field = range.first; field != range.second; ++field)
      for (const auto name : http::token_list(field->value())) names.emplace_back(name);
  };
  if (websocket::is_upgrade(request)) {
    // "SPDY/3.1+portforward.k8s.io" is no token (RFC 9110, 5.6.2), so the list is split by hand.
    const auto range = request.equal_range(http::field::sec_websocket_protocol);
    for (auto field = range.first; field != range.second; ++field) {
      std::string_view rest(field->value().data(), field->value().size());
      while (!rest.empty()) {
        const size_t comma = std::min(rest.find(','), rest.size());
        std::string_view name = rest.substr(0, comma);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        while (name.starts_with(' ')) name.remove_prefix(1);
        while (name.ends_with(' ')) name.remove_suffix(1);
        if (!name.empty()) names.emplace_back(name);
      }
    }
    return names;
  }
  take(request.equal_range("X-Stream-Protocol-Version"));
  return names;
}

}  // namespace

template <class Stream>
Connection<Stream>::Connection(Stream stream, std::shared_ptr<const ServerCore> core,
                               std::shared_ptr<void> keep, Closed closed)
    : stream_(std::move(stream)),
      core_(std::move(core)),
      keep_(std::move(keep)),
      closed_(std::move(closed)) {}

template <class Stream>
void Connection<Stream>::start() {
  if constexpr (kIsTls<Stream>) {
    lowest().expires_after(core_->limits.header_time);
    stream_.async_handshake(asio::ssl::stream_base::server, [self =
                                                                 this->shared_from_this()](error_code error) {
      if (error || self->ended_) return;
      self->certificates_ =
          std::make_shared<const std::vector<std::string>>(shownCertificates(self->stream_.native_handle()));
      self->readRequest(self->core_->limits.header_time);
    });
  } else {
    readRequest(core_->limits.header_time);
  }
}

template <class Stream>
void Connection<Stream>::readRequest(Duration time) {
  if (ended_) return;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_->limits.header_bytes));
  parser_->body_limit(boost::none);
  lowest().expires_after(time);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](error_code error, size_t) {
                            if (!error && !self->ended_) self->onHeader();
                          });
}

template <class Stream>
void Connection<Stream>::onHeader() {
  if (!core_->guard) return onAdmitted();
  const auto& request = parser_->get();
  RequestHead head;
  head.method = std::string(request.method_string());
  const std::string_view target(request.target().data(), request.target().size());
  head.path = std::string(target.substr(0, target.find('?')));
  head.authorization = std::string(request[http::field::authorization]);
  head.upgrade = request.find(http::field::upgrade) != request.end();
  head.certificates = certificates_;
  lowest().expires_never();
  core_->guard->check(std::move(head), [self = this->shared_from_this()](std::optional<Reply> refusal) {
    if (self->ended_) return;
    if (refusal) return self->reply(std::move(*refusal));
    self->onAdmitted();
  });
}

template <class Stream>
void Connection<Stream>::onAdmitted() {
  const auto& request = parser_->get();
  const auto method =
      request.method() == http::verb::head ? http::to_string(http::verb::get) : request.method_string();
  auto match = matchRoute(core_->routes, {method.data(), method.size()},
                          {request.target().data(), request.target().size()});
  if (!match) return reply(Reply::ofError(match.error()));
  match_ = std::move(match).value();
  match_.call.stream = streamOf(request);
  if (match_.call.stream != Call::Stream::kNone) match_.call.subprotocols = subprotocolsOf(request);
  if (match_.route->sink) {
    auto sink = match_.route->sink(match_.call);
    if (!sink) return reply(Reply::ofError(sink.error()));
    sink_ = std::move(sink).value();
  }
  const auto length = parser_->content_length();
  if (!sink_ && length && *length > core_->limits.body_bytes) return refuseBody();
  if (request[http::field::expect] == "100-continue") return sendContinue();
  readBody();
}

template <class Stream>
void Connection<Stream>::sendContinue() {
  auto message = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
  lowest().expires_after(core_->limits.idle_time);
  http::async_write(stream_, *message, [self = this->shared_from_this(), message](error_code error, size_t) {
    if (!error) self->readBody();
  });
}

template <class Stream>
void Connection<Stream>::readBody() {
  if (ended_) return;
  // What asks for a stream has no body of its own: what follows is the stream's.
  if (parser_->is_done() || match_.call.stream != Call::Stream::kNone) return bodyDone();
  chunk_.resize(kChunkBytes);
  parser_->get().body().data = chunk_.data();
  parser_->get().body().size = chunk_.size();
  lowest().expires_after(core_->limits.idle_time);
  http::async_read(stream_, buffer_, *parser_, [self = this->shared_from_this()](error_code error, size_t) {
    if (error && error != http::error::need_buffer) return;
    self->onBodyPiece(self->chunk_.size() - self->parser_->get().body().size);
  });
}

template <class Stream>
void Connection<Stream>::onBodyPiece(size_t size) {
  if (ended_) return;
  if (sink_) {
    lowest().expires_never();
    return sink_->write(chunk_.substr(0, size), [self = this->shared_from_this()](Result<void> written) {
      if (!written) return self->reply(Reply::ofError(written.error()));
      self->readBody();
    });
  }
  match_.call.body.append(chunk_, 0, size);
  if (match_.call.body.size() > core_->limits.body_bytes) return refuseBody();
  readBody();
}

template <class Stream>
void Connection<Stream>::refuseBody() {
  reply(Reply::ofError(
      makeError(Code::kInvalidArgument, "request body: more than {} bytes", core_->limits.body_bytes)));
}

template <class Stream>
void Connection<Stream>::bodyDone() {
  body_done_ = true;
  lowest().expires_never();
  auto self = this->shared_from_this();
  if (sink_) return sink_->finish([self](Reply answer) { self->reply(std::move(answer)); });
  match_.route->handle(std::move(match_.call),
                       [self](Outcome outcome) { self->onOutcome(std::move(outcome)); });
}

template <class Stream>
void Connection<Stream>::onOutcome(Outcome outcome) {
  if (ended_) return;
  if (auto* answer = std::get_if<Reply>(&outcome)) return reply(std::move(*answer));
  if (!core_->limits.streams)
    return reply(Reply::ofError(makeError(Code::kInternal, "this server gives whole answers only")));
  if (auto* source = std::get_if<std::unique_ptr<ByteSource>>(&outcome))
    return streamReply(std::move(*source));
  upgrade(std::move(std::get<Upgrade>(outcome)));
}

// ---- one whole reply ----

template <class Stream>
void Connection<Stream>::reply(Reply answer) {
  if (ended_) return;
  const bool head = parser_->get().method() == http::verb::head;
  // What is left of a body that was not read would be taken for the next request.
  const bool keep = (body_done_ || parser_->is_done()) && parser_->get().keep_alive() &&
                    streamOf(parser_->get()) == Call::Stream::kNone;
  auto message =
      std::make_shared<http::response<http::string_body>>(static_cast<http::status>(answer.status), 11);
  message->set(http::field::content_type, answer.type);
  message->set("X-Content-Type-Options", "nosniff");
  message->keep_alive(keep);
  if (head) {
    message->content_length(answer.body.size());
  } else {
    message->body() = std::move(answer.body);
    message->prepare_payload();
  }
  lowest().expires_after(core_->limits.idle_time);
  http::async_write(stream_, *message,
                    [self = this->shared_from_this(), message, keep](error_code error, size_t) {
                      if (!error) self->endExchange(keep);
                    });
}

template <class Stream>
void Connection<Stream>::endExchange(bool keep) {
  sink_.reset();
  source_.reset();
  match_ = {};
  body_done_ = false;
  if (keep) return readRequest(core_->limits.idle_time);
  finish();
}

// ---- a reply in chunks ----

template <class Stream>
void Connection<Stream>::streamReply(std::unique_ptr<ByteSource> source) {
  source_ = std::move(source);
  auto head = std::make_shared<http::response<http::empty_body>>(http::status::ok, 11);
  head->set(http::field::content_type, "text/plain; charset=utf-8");
  head->set("X-Content-Type-Options", "nosniff");
  head->chunked(true);
  auto serializer = std::make_shared<http::response_serializer<http::empty_body>>(*head);
  lowest().expires_after(core_->limits.idle_time);
  http::async_write_header(stream_, *serializer,
                           [self = this->shared_from_this(), head, serializer](error_code error, size_t) {
                             if (error || self->ended_) return;
                             self->lowest().expires_never();
                             self->watchForHangUp();
                             self->nextPiece();
                           });
}

template <class Stream>
void Connection<Stream>::nextPiece() {
  if (ended_) return;
  lowest().expires_never();
  keep_alive_ = this->shared_from_this();
  source_->next([weak = this->weak_from_this()](Result<std::string> piece) {
    if (auto self = weak.lock()) self->onPiece(std::move(piece));
  });
}

template <class Stream>
void Connection<Stream>::onPiece(Result<std::string> piece) {
  const auto self = std::move(keep_alive_);
  if (!piece || ended_) return shutdown();
  lowest().expires_after(core_->limits.idle_time);
  if (piece->empty()) {
    asio::async_write(stream_, http::make_chunk_last(),
                      [self = this->shared_from_this()](error_code error, size_t) {
                        if (!error) self->finish();
                      });
    return;
  }
  auto bytes = std::make_shared<std::string>(std::move(piece).value());
  asio::async_write(stream_, http::make_chunk(asio::buffer(*bytes)),
                    [self = this->shared_from_this(), bytes](error_code error, size_t) {
                      if (error) return self->shutdown();
                      self->nextPiece();
                    });
}

// While a source is quiet only a read can tell that the client left. A client that sends more is not heard.
template <class Stream>
void Connection<Stream>::watchForHangUp() {
  if constexpr (std::is_same_v<Stream, UnixStream>) {
    // Here a client may end its half and listen on; one that is gone shows as EPOLLHUP (unix(7)).
    lowest().socket().async_wait(asio::socket_base::wait_error,
                                 [weak = this->weak_from_this()](error_code error) {
                                   auto self = weak.lock();
                                   if (self && !error) self->shutdown();
                                 });
    return;
  }
  watching_ = true;
  stream_.async_read_some(asio::buffer(&watched_, 1),
                          [self = this->shared_from_this()](error_code error, size_t) {
                            self->watching_ = false;
                            if (self->finishing_) return self->finish();
                            if (error) self->shutdown();
                          });
}

template <class Stream>
void Connection<Stream>::finish() {
  if (ended_) return;
  finishing_ = true;
  if (watching_) return lowest().cancel();  // goes on in its callback
  closeGently(stream_, core_->limits.close_time, this->shared_from_this());
}

// ---- an upgrade ----

template <class Stream>
void Connection<Stream>::upgrade(Upgrade upgrade) {
  const auto kind = streamOf(parser_->get());
  if (kind == Call::Stream::kNone)
    return reply(Reply::ofError(
        makeError(Code::kInvalidArgument, "Upgrade request required: a WebSocket or {}", kSpdy)));
  lowest().expires_never();
  if (kind == Call::Stream::kWebSocket) return startWebSocket(std::move(upgrade));
  startSpdy(std::move(upgrade));
}

template <class Stream>
void Connection<Stream>::startWebSocket(Upgrade upgrade) {
  upgraded_ = true;
  http::request<http::empty_body> head;
  head.base() = parser_->get().base();
  auto channel = std::make_shared<WebSocketChannel<Stream>>(std::move(stream_), core_->limits,
                                                            std::move(upgrade), this->shared_from_this());
  channel_ = channel;
  channel->accept(std::move(head), buffer_);
}

template <class Stream>
void Connection<Stream>::startSpdy(Upgrade upgrade) {
  upgraded_ = true;
  const std::string subprotocol = upgrade.subprotocol;
  auto channel = std::make_shared<ByteChannel<Stream>>(std::move(stream_), core_->limits, std::move(upgrade),
                                                       this->shared_from_this());
  channel_ = channel;
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + std::string(kSpdy);
  if (!subprotocol.empty()) head += "\r\nX-Stream-Protocol-Version: " + subprotocol;
  channel->begin(head + "\r\n\r\n", beast::buffers_to_string(buffer_.data()));
}

template <class Stream>
void Connection<Stream>::shutdown() {
  const auto self = this->weak_from_this().lock();  // what it drives may hold the last reference
  if (auto channel = channel_.lock()) return channel->shutdown();
  if (upgraded_) return;
  error_code ignored;
  lowest().socket().close(ignored);
  ended_ = true;
  sink_.reset();
  source_.reset();
  keep_alive_.reset();
}

template class Connection<UnixStream>;
template class Connection<TcpStream>;
template class Connection<TlsStream>;

}  // namespace keelson::kubelet::server
