#include "kubelet/server/tcp_server.h"

#include "kubelet/server/listener.h"
#include "kubelet/server/tcp_listen.h"

namespace keelson::kubelet::server {
namespace {

using asio::ip::tcp;

class AsioTcpServer : public TcpServer {
 public:
  AsioTcpServer(Loop& loop, tcp::acceptor acceptor, std::shared_ptr<const ServerCore> core)
      : listener_(loop, std::move(acceptor), core->limits.connections,
                  [core](tcp::socket socket, const auto& closed) {
                    return std::make_shared<Connection<TcpStream>>(TcpStream(std::move(socket)), core,
                                                                   nullptr, closed);
                  }) {}
  uint16_t port() const override { return listener_.localEndpoint().port(); }

 private:
  Listener<tcp> listener_;
};

}  // namespace

Result<std::unique_ptr<TcpServer>> TcpServer::listen(Loop& loop, const IpAddress& address, uint16_t port,
                                                     std::vector<Route> routes, const ServerLimits& limits) {
  auto acceptor = TRY(listenTcp(loop, address, port));
  auto core = std::make_shared<const ServerCore>(ServerCore{std::move(routes), limits, nullptr});
  return std::unique_ptr<TcpServer>(new AsioTcpServer(loop, std::move(acceptor), std::move(core)));
}

}  // namespace keelson::kubelet::server
