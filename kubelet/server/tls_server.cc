#include "kubelet/server/tls_server.h"

#include <netinet/tcp.h>

#include "kubelet/server/listener.h"
#include "kubelet/server/tcp_listen.h"

namespace keelson::kubelet::server {
namespace {

using asio::ip::tcp;

// A client whose machine is gone is found out, also while nothing is sent to it (tcp(7)).
void watchPeer(tcp::socket& socket) {
  using Seconds = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  using Interval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
  error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(Seconds(30), ignored);
  socket.set_option(Interval(15), ignored);
  socket.set_option(tcp::no_delay(true), ignored);
}

class AsioTlsServer : public TlsServer {
 public:
  AsioTlsServer(Loop& loop, tcp::acceptor acceptor, std::shared_ptr<const ServerCore> core)
      : listener_(loop, std::move(acceptor), core->limits.connections,
                  [this, core](tcp::socket socket, const auto& closed) -> std::shared_ptr<AnyConnection> {
                    if (!context_) return nullptr;
                    watchPeer(socket);
                    return std::make_shared<Connection<TlsStream>>(
                        TlsStream(TcpStream(std::move(socket)), *context_), core, context_, closed);
                  }) {}
  void setContext(TlsContext context) override { context_ = std::move(context); }
  uint16_t port() const override { return listener_.localEndpoint().port(); }

 private:
  TlsContext context_;
  Listener<tcp> listener_;
};

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                     std::vector<Route> routes, std::shared_ptr<Guard> guard,
                                                     const ServerLimits& limits) {
  auto acceptor = TRY(listenTcp(loop, address, port));
  auto core = std::make_shared<const ServerCore>(ServerCore{std::move(routes), limits, std::move(guard)});
  return std::unique_ptr<TlsServer>(new AsioTlsServer(loop, std::move(acceptor), std::move(core)));
}

}  // namespace keelson::kubelet::server
