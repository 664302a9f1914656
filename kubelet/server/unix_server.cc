#include "kubelet/server/unix_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <optional>
#include <set>

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using Stream = beast::basic_stream<asio::local::stream_protocol>;
using beast::error_code;

constexpr size_t kChunkBytes = 64 * 1024;  // of streamed request bodies

bool peerIsRoot(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

class WebSocketChannel;

// One connection: reads a request, answers it, and again; or turns into a WebSocket. Keeps itself
// alive through its pending callbacks; `closed` tells the server. Home: loop.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Stream stream, const std::vector<Route>& routes, const ServerLimits& limits,
             std::function<void(Connection*)> closed)
      : stream_(std::move(stream)), routes_(routes), limits_(limits), closed_(std::move(closed)) {}
  ~Connection() { closed_(this); }

  void readRequest() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(limits_.header_bytes));
    parser_->body_limit(boost::none);
    stream_.expires_after(first_ ? limits_.header_time : limits_.idle_time);
    first_ = false;
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = shared_from_this()](error_code error, size_t) {
                              if (!error) self->onHeader();
                            });
  }

  void shutdown();

 private:
  friend class WebSocketChannel;

  void onHeader() {
    const auto& request = parser_->get();
    auto match = matchRoute(routes_, request.method_string(), request.target());
    if (!match) return reply(Reply::ofError(match.error()));
    match_ = std::move(match).value();
    if (websocket::is_upgrade(request)) {
      for (const auto name : http::token_list(request[http::field::sec_websocket_protocol]))
        match_.call.subprotocols.emplace_back(name);
    }
    if (match_.route->sink) {
      auto sink = match_.route->sink(match_.call);
      if (!sink) return reply(Reply::ofError(sink.error()));
      sink_ = std::move(sink).value();
    }
    if (request[http::field::expect] == "100-continue") return sendContinue();
    readBody();
  }

  void sendContinue() {
    auto message = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
    http::async_write(stream_, *message, [self = shared_from_this(), message](error_code error, size_t) {
      if (!error) self->readBody();
    });
  }

  void readBody() {
    if (ended_) return;
    if (parser_->is_done()) return bodyDone();
    chunk_.resize(kChunkBytes);
    parser_->get().body().data = chunk_.data();
    parser_->get().body().size = chunk_.size();
    stream_.expires_after(limits_.idle_time);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error && error != http::error::need_buffer) return;
      self->onBodyPiece(self->chunk_.size() - self->parser_->get().body().size);
    });
  }

  void onBodyPiece(size_t size) {
    if (sink_) {
      stream_.expires_never();
      return sink_->write(chunk_.substr(0, size), [self = shared_from_this()](Result<void> written) {
        if (!written) return self->reply(Reply::ofError(written.error()));
        self->readBody();
      });
    }
    match_.call.body.append(chunk_, 0, size);
    if (match_.call.body.size() > limits_.body_bytes)
      return reply(Reply::ofError(
          makeError(Code::kInvalidArgument, "request body: more than {} bytes", limits_.body_bytes)));
    readBody();
  }

  void bodyDone() {
    body_done_ = true;
    stream_.expires_never();
    auto self = shared_from_this();
    if (sink_) return sink_->finish([self](Reply answer) { self->reply(std::move(answer)); });
    match_.route->handle(std::move(match_.call),
                         [self](Outcome outcome) { self->onOutcome(std::move(outcome)); });
  }

  void onOutcome(Outcome outcome) {
    if (auto* answer = std::get_if<Reply>(&outcome)) return reply(std::move(*answer));
    if (auto* source = std::get_if<std::unique_ptr<ByteSource>>(&outcome))
      return streamReply(std::move(*source));
    upgrade(std::move(std::get<Upgrade>(outcome)));
  }

  // ---- one whole reply ----

  void reply(Reply answer) {
    // What is left of a body that was not read would be taken for the next request.
    const bool keep = body_done_ && parser_->get().keep_alive();
    auto message =
        std::make_shared<http::response<http::string_body>>(static_cast<http::status>(answer.status), 11);
    message->set(http::field::content_type, answer.type);
    message->body() = std::move(answer.body);
    message->keep_alive(keep);
    message->prepare_payload();
    stream_.expires_after(limits_.idle_time);
    http::async_write(stream_, *message,
                      [self = shared_from_this(), message, keep](error_code error, size_t) {
                        self->endExchange(!error && keep);
                      });
  }

  void endExchange(bool keep) {
    sink_.reset();
    source_.reset();
    match_ = {};
    body_done_ = false;
    if (keep) readRequest();
  }

  // ---- a reply in chunks ----

  void streamReply(std::unique_ptr<ByteSource> source) {
    source_ = std::move(source);
    auto head = std::make_shared<http::response<http::empty_body>>(http::status::ok, 11);
    head->set(http::field::content_type, "text/plain; charset=utf-8");
    head->chunked(true);
    auto serializer = std::make_shared<http::response_serializer<http::empty_body>>(*head);
    stream_.expires_after(limits_.idle_time);
    http::async_write_header(stream_, *serializer,
                             [self = shared_from_this(), head, serializer](error_code error, size_t) {
                               if (error) return;
                               self->watchForHangUp();
                               self->nextPiece();
                             });
  }

  void nextPiece() {
    if (ended_) return;
    stream_.expires_never();
    keep_alive_ = shared_from_this();
    source_->next([weak = weak_from_this()](Result<std::string> piece) {
      if (auto self = weak.lock()) self->onPiece(std::move(piece));
    });
  }

  void onPiece(Result<std::string> piece) {
    const auto self = std::move(keep_alive_);
    if (!piece) return shutdown();
    stream_.expires_after(limits_.idle_time);
    if (piece->empty()) {
      asio::async_write(stream_, http::make_chunk_last(), [self](error_code, size_t) { self->shutdown(); });
      return;
    }
    auto bytes = std::make_shared<std::string>(std::move(piece).value());
    asio::async_write(stream_, http::make_chunk(asio::buffer(*bytes)),
                      [self, bytes](error_code error, size_t) {
                        if (!error) self->nextPiece();
                      });
  }

  // While a source is quiet only the socket can tell that the client left (EPOLLHUP, unix(7)).
  void watchForHangUp() {
    stream_.socket().async_wait(asio::socket_base::wait_error, [weak = weak_from_this()](error_code error) {
      auto self = weak.lock();
      if (self && !error) self->shutdown();
    });
  }

  // ---- a WebSocket ----

  void upgrade(Upgrade upgrade);

  Stream stream_;
  const std::vector<Route>& routes_;
  const ServerLimits& limits_;
  std::function<void(Connection*)> closed_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::buffer_body>> parser_;
  Match match_;
  std::string chunk_;
  std::unique_ptr<ByteSink> sink_;
  std::unique_ptr<ByteSource> source_;
  std::shared_ptr<Connection> keep_alive_;   // while a source owes a piece
  std::weak_ptr<WebSocketChannel> channel_;  // set by an upgrade
  bool body_done_ = false;
  bool ended_ = false;  // shut down: pending callbacks do nothing more
  bool first_ = true;
};

// A connection after its upgrade. Keeps itself alive while the socket is open. Home: loop.
class WebSocketChannel : public Channel, public std::enable_shared_from_this<WebSocketChannel> {
 public:
  WebSocketChannel(Stream stream, size_t message_limit, std::unique_ptr<Conversation> conversation,
                   std::shared_ptr<Connection> connection)
      : socket_(std::move(stream)),
        conversation_(std::move(conversation)),
        connection_(std::move(connection)) {
    socket_.read_message_max(message_limit);
    socket_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket_.binary(true);
  }

  template <class Request>
  void accept(const Request& request, const std::string& subprotocol) {
    self_ = shared_from_this();
    socket_.set_option(websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
      if (!subprotocol.empty()) response.set(http::field::sec_websocket_protocol, subprotocol);
    }));
    socket_.async_accept(request, [self = shared_from_this()](error_code error) {
      if (error) return self->end();
      self->watchForHangUp();
      self->conversation_->start(*self);
    });
  }

  void send(std::string message, std::function<void()> sent) override {
    queue_.emplace_back(std::move(message), std::move(sent));
    if (queue_.size() == 1) writeFirst();
  }

  void receive() override {
    socket_.async_read(buffer_, [self = shared_from_this()](error_code error, size_t) {
      if (error || !self->conversation_) return self->end();
      const auto data = self->buffer_.cdata();
      const std::string message(static_cast<const char*>(data.data()), data.size());
      self->buffer_.consume(self->buffer_.size());
      self->conversation_->onMessage(message);
    });
  }

  void close() override {
    closing_ = true;
    if (queue_.empty()) sendClose();
  }

  void shutdown() {
    error_code ignored;
    beast::get_lowest_layer(socket_).socket().close(ignored);
    end();
  }

 private:
  void writeFirst() {
    socket_.async_write(asio::buffer(queue_.front().first),
                        [self = shared_from_this()](error_code error, size_t) {
                          if (error) return self->end();
                          auto sent = std::move(self->queue_.front().second);
                          self->queue_.pop_front();
                          if (!self->queue_.empty()) {
                            self->writeFirst();
                          } else if (self->closing_) {
                            self->sendClose();
                          }
                          if (sent && self->conversation_) sent();
                        });
  }

  // While the conversation is busy nothing reads; a peer that is gone shows as EPOLLHUP (unix(7)).
  void watchForHangUp() {
    beast::get_lowest_layer(socket_).socket().async_wait(asio::socket_base::wait_error,
                                                         [weak = weak_from_this()](error_code error) {
                                                           if (auto self = weak.lock(); self && !error)
                                                             self->shutdown();
                                                         });
  }

  void sendClose() {
    socket_.async_close(websocket::close_code::normal,
                        [self = shared_from_this()](error_code) { self->end(); });
  }

  void end() {
    conversation_.reset();
    connection_.reset();
    self_.reset();
  }

  websocket::stream<Stream> socket_;
  beast::flat_buffer buffer_;
  std::unique_ptr<Conversation> conversation_;
  std::shared_ptr<Connection> connection_;  // counts as open until the end
  std::shared_ptr<WebSocketChannel> self_;  // until the end: the conversation may be busy elsewhere
  std::deque<std::pair<std::string, std::function<void()>>> queue_;
  bool closing_ = false;
};

void Connection::shutdown() {
  if (auto channel = channel_.lock()) return channel->shutdown();
  error_code ignored;
  stream_.socket().close(ignored);
  // What they drive ends now, also when the loop does not turn any more.
  ended_ = true;
  sink_.reset();
  source_.reset();
  keep_alive_.reset();
}

void Connection::upgrade(Upgrade upgrade) {
  if (!websocket::is_upgrade(parser_->get()))
    return reply(Reply::ofError(
        makeError(Code::kInvalidArgument, "{}: expected a WebSocket upgrade", match_.call.path)));
  stream_.expires_never();
  http::request<http::empty_body> head;
  head.base() = parser_->get().base();
  auto channel = std::make_shared<WebSocketChannel>(std::move(stream_), limits_.message_bytes,
                                                    std::move(upgrade.conversation), shared_from_this());
  channel_ = channel;
  channel->accept(head, upgrade.subprotocol);
}

class AsioUnixServer : public UnixServer {
 public:
  AsioUnixServer(Loop& loop, asio::local::stream_protocol::acceptor acceptor, std::string path,
                 std::vector<Route> routes, const ServerLimits& limits)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        path_(std::move(path)),
        routes_(std::move(routes)),
        limits_(limits) {
    accept();
  }

  ~AsioUnixServer() override {
    error_code ignored;
    acceptor_.close(ignored);
    ::unlink(path_.c_str());
    *alive_ = false;
    for (Connection* connection : connections_) connection->shutdown();
  }

 private:
  void accept() {
    acceptor_.async_accept(
        [this, alive = alive_](error_code error, asio::local::stream_protocol::socket socket) {
          if (!*alive || error == asio::error::operation_aborted) return;
          if (error) {  // out of descriptors: not in a busy loop
            retry_ = loop_.after(std::chrono::milliseconds(100), [this] { accept(); });
            return;
          }
          if (connections_.size() < limits_.connections && peerIsRoot(socket.native_handle())) {
            auto connection = std::make_shared<Connection>(Stream(std::move(socket)), routes_, limits_,
                                                           [this, alive](Connection* gone) {
                                                             if (*alive) connections_.erase(gone);
                                                           });
            connections_.insert(connection.get());
            connection->readRequest();
          }
          accept();
        });
  }

  Loop& loop_;
  asio::local::stream_protocol::acceptor acceptor_;
  std::string path_;
  std::vector<Route> routes_;
  ServerLimits limits_;
  std::set<Connection*> connections_;
  Registration retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// True if somebody answers at the socket.
bool isLive(asio::io_context& context, const std::string& path) {
  asio::local::stream_protocol::socket probe(context);
  error_code error;
  probe.connect(asio::local::stream_protocol::endpoint(path), error);
  return !error;
}

}  // namespace

Result<std::unique_ptr<UnixServer>> UnixServer::listen(Loop& loop, const std::string& path,
                                                       std::vector<Route> routes,
                                                       const ServerLimits& limits) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return makeError(Code::kInvalidArgument, "status socket {}: the path is longer than {} bytes", path,
                     sizeof(sockaddr_un::sun_path) - 1);
  auto& context = loop.context();
  if (isLive(context, path))
    return makeError(Code::kAlreadyExists, "status socket {}: another process answers there", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return sysError("status socket {}: remove the stale one", path);
  error_code error;
  asio::local::stream_protocol::acceptor acceptor(context);
  acceptor.open(asio::local::stream_protocol(), error);
  if (!error) acceptor.bind(asio::local::stream_protocol::endpoint(path), error);
  // Before listen(2) nobody gets in, so the mode is right in time; umask(2) would be every thread's.
  if (!error && ::chmod(path.c_str(), 0600) != 0) return sysError("status socket {}: chmod", path);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return errnoError(error.value(), "status socket " + path);
  return std::unique_ptr<UnixServer>(
      new AsioUnixServer(loop, std::move(acceptor), path, std::move(routes), limits));
}

}  // namespace keelson::kubelet::server
