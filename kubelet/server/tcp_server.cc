#include "kubelet/server/tcp_server.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <set>

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using beast::error_code;

// One connection: a request, its answer, and again. Lives through its pending callbacks. Home: loop.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<const std::vector<Route>> routes, const TcpLimits& limits,
             std::function<void(Connection*)> closed)
      : stream_(std::move(socket)), routes_(std::move(routes)), limits_(limits), closed_(std::move(closed)) {}
  ~Connection() { closed_(this); }

  void readRequest(Duration time) {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(limits_.header_bytes));
    parser_->body_limit(limits_.body_bytes);
    stream_.expires_after(time);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
      if (error == http::error::body_limit)
        return self->reply(
            Reply::ofError(makeError(Code::kInvalidArgument, "request body: more than {} bytes",
                                     self->limits_.body_bytes)),
            false);
      if (!error) self->onRequest();
    });
  }

  void shutdown() {
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  void onRequest() {
    auto& request = parser_->get();
    const bool keep = request.keep_alive();
    const auto method =
        request.method() == http::verb::head ? http::to_string(http::verb::get) : request.method_string();
    auto match = matchRoute(*routes_, {method.data(), method.size()},
                            {request.target().data(), request.target().size()});
    if (!match) return reply(Reply::ofError(match.error()), keep);
    match->call.body = std::move(request.body());
    match->route->handle(std::move(match->call), [self = shared_from_this(), keep](Outcome outcome) {
      if (auto* answer = std::get_if<Reply>(&outcome)) return self->reply(std::move(*answer), keep);
      self->reply(Reply::ofError(makeError(Code::kInternal, "this server gives whole answers only")), false);
    });
  }

  void reply(Reply answer, bool keep) {
    auto message =
        std::make_shared<http::response<http::string_body>>(static_cast<http::status>(answer.status), 11);
    message->set(http::field::content_type, answer.type);
    message->set("X-Content-Type-Options", "nosniff");
    message->keep_alive(keep);
    if (parser_->get().method() == http::verb::head) {
      message->content_length(answer.body.size());
    } else {
      message->body() = std::move(answer.body);
      message->prepare_payload();
    }
    stream_.expires_after(limits_.answer_time);
    http::async_write(stream_, *message,
                      [self = shared_from_this(), message, keep](error_code error, size_t) {
                        if (!error && keep) return self->readRequest(self->limits_.idle_time);
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  beast::tcp_stream stream_;
  std::shared_ptr<const std::vector<Route>> routes_;
  TcpLimits limits_;
  std::function<void(Connection*)> closed_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
};

class AsioTcpServer : public TcpServer {
 public:
  AsioTcpServer(Loop& loop, tcp::acceptor acceptor, std::vector<Route> routes, const TcpLimits& limits)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        routes_(std::make_shared<const std::vector<Route>>(std::move(routes))),
        limits_(limits) {
    accept();
  }

  ~AsioTcpServer() override {
    *alive_ = false;
    error_code ignored;
    acceptor_.close(ignored);
    for (Connection* connection : connections_) connection->shutdown();
  }

  uint16_t port() const override {
    error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

 private:
  void accept() {
    acceptor_.async_accept([this, alive = alive_](error_code error, tcp::socket socket) {
      if (!*alive || error == asio::error::operation_aborted) return;
      if (error) {  // out of descriptors: not in a busy loop
        retry_ = loop_.after(std::chrono::milliseconds(100), [this] { accept(); });
        return;
      }
      if (connections_.size() < limits_.connections) {
        auto connection = std::make_shared<Connection>(std::move(socket), routes_, limits_,
                                                       [this, alive](Connection* gone) {
                                                         if (*alive) connections_.erase(gone);
                                                       });
        connections_.insert(connection.get());
        connection->readRequest(limits_.request_time);
      }
      accept();
    });
  }

  Loop& loop_;
  tcp::acceptor acceptor_;
  std::shared_ptr<const std::vector<Route>> routes_;
  TcpLimits limits_;
  std::set<Connection*> connections_;
  Registration retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<TcpServer>> TcpServer::listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                     std::vector<Route> routes, const TcpLimits& limits) {
  const std::string where = fmt::format("listen at {} port {}", address.str(), port);
  error_code error;
  const tcp::endpoint endpoint(asio::ip::make_address(address.str(), error), port);
  if (error) return errnoError(error.value(), where);
  tcp::acceptor acceptor(loop.context());
  acceptor.open(endpoint.protocol(), error);
  // A daemon that restarts meets its own connections in TIME_WAIT.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use)
    return makeError(Code::kAlreadyExists, "{}: another process (a kubelet?) has it", where);
  if (error) return errnoError(error.value(), where);
  return std::unique_ptr<TcpServer>(new AsioTcpServer(loop, std::move(acceptor), std::move(routes), limits));
}

}  // namespace keelson::kubelet::server
