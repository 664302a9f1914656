// One connection of any server of this folder: unix socket, TCP or TLS. Included by their .cc files.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <deque>
#include <optional>

#include "kubelet/server/guard.h"
#include "kubelet/server/http.h"
#include "kubelet/server/limits.h"

namespace keelson::kubelet::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
using beast::error_code;

using UnixStream = beast::basic_stream<asio::local::stream_protocol>;
using TcpStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

template <class Stream>
inline constexpr bool kIsTls = std::is_same_v<Stream, TlsStream>;

// What all connections of one server share. Immutable.
struct ServerCore {
  std::vector<Route> routes;
  ServerLimits limits;
  std::shared_ptr<Guard> guard;  // null: who can connect may do everything
};

class AnyConnection {
 public:
  virtual ~AnyConnection() = default;
  virtual void start() = 0;
  // Ends what it drives at once, also when the loop does not turn any more.
  virtual void shutdown() = 0;
};

// What became of a connection after its upgrade. Keeps itself alive until its end.
class AnyChannel : public Channel {
 public:
  virtual void shutdown() = 0;
};

// Says good-bye so that what was sent last arrives: close_notify on TLS, then end-of-file, then reads until
// the client's own end or the time is up. Nothing may be pending on `stream`; `keep` owns it.
template <class Stream>
void closeGently(Stream& stream, Duration time, std::shared_ptr<void> keep);

// Reads a request, asks the guard, answers, and again; or turns into a WebSocket or a SPDY stream. Keeps
// itself alive through its pending callbacks; `closed` tells the server. Home: loop.
template <class Stream>
class Connection : public AnyConnection, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  using Closed = std::function<void(AnyConnection*)>;
  // `keep`: what `stream` refers to (the TLS context).
  Connection(Stream stream, std::shared_ptr<const ServerCore> core, std::shared_ptr<void> keep,
             Closed closed);
  ~Connection() override { closed_(this); }

  void start() override;
  void shutdown() override;

 private:
  auto& lowest() { return beast::get_lowest_layer(stream_); }
  void readRequest(Duration time);
  void onHeader();
  void onAdmitted();
  void route();
  void sendContinue();
  void readBody();
  void onBodyPiece(size_t size);
  void refuseBody();
  void bodyDone();
  void onOutcome(Outcome outcome);
  void reply(Reply answer);
  void endExchange(bool keep);
  void streamReply(std::unique_ptr<ByteSource> source);
  void nextPiece();
  void onPiece(Result<std::string> piece);
  void watchForHangUp();
  void finish();
  void upgrade(Upgrade upgrade);
  void startWebSocket(Upgrade upgrade);
  void startSpdy(Upgrade upgrade);

  Stream stream_;
  const std::shared_ptr<const ServerCore> core_;
  const std::shared_ptr<void> keep_;
  const Closed closed_;
  std::shared_ptr<const std::vector<std::string>> certificates_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::buffer_body>> parser_;
  Match match_;
  std::string chunk_;
  std::unique_ptr<ByteSink> sink_;
  std::unique_ptr<ByteSource> source_;
  std::shared_ptr<Connection> keep_alive_;  // while a source owes a piece
  std::weak_ptr<AnyChannel> channel_;       // set by an upgrade
  char watched_ = 0;
  bool watching_ = false;  // for the client's end, while a reply is streamed
  bool upgraded_ = false;  // stream_ has moved into the channel
  bool body_done_ = false;
  bool finishing_ = false;
  bool ended_ = false;  // shut down: pending callbacks do nothing more
};

extern template class Connection<UnixStream>;
extern template class Connection<TcpStream>;
extern template class Connection<TlsStream>;

}  // namespace keelson::kubelet::server
