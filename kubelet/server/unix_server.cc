#include "kubelet/server/unix_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "kubelet/server/listener.h"

namespace keelson::kubelet::server {
namespace {

using Local = asio::local::stream_protocol;

bool peerIsRoot(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

class AsioUnixServer : public UnixServer {
 public:
  AsioUnixServer(Loop& loop, Local::acceptor acceptor, std::string path,
                 std::shared_ptr<const ServerCore> core)
      : path_(std::move(path)),
        listener_(loop, std::move(acceptor), core->limits.connections,
                  [core](Local::socket socket, const auto& closed) -> std::shared_ptr<AnyConnection> {
                    if (!peerIsRoot(socket.native_handle())) return nullptr;
                    return std::make_shared<Connection<UnixStream>>(UnixStream(std::move(socket)), core,
                                                                    nullptr, closed);
                  }) {}
  ~AsioUnixServer() override { ::unlink(path_.c_str()); }

 private:
  const std::string path_;
  Listener<Local> listener_;
};

// True if somebody answers at the socket.
bool isLive(asio::io_context& context, const std::string& path) {
  Local::socket probe(context);
  error_code error;
  probe.connect(Local::endpoint(path), error);
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
  Local::acceptor acceptor(context);
  acceptor.open(Local(), error);
  if (!error) acceptor.bind(Local::endpoint(path), error);
  // Before listen(2) nobody gets in, so the mode is right in time; umask(2) would be every thread's.
  if (!error && ::chmod(path.c_str(), 0600) != 0) return sysError("status socket {}: chmod", path);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return errnoError(error.value(), "status socket " + path);
  auto core = std::make_shared<const ServerCore>(ServerCore{std::move(routes), limits, nullptr});
  return std::unique_ptr<UnixServer>(new AsioUnixServer(loop, std::move(acceptor), path, std::move(core)));
}

}  // namespace keelson::kubelet::server
