// The accepting half of every server of this folder. Included by their .cc files.
#pragma once

#include <map>
#include <vector>

#include "base/executor.h"
#include "kubelet/server/connection.h"

namespace keelson::kubelet::server {

// Accepts until destroyed, at most `limits.connections` at a time; its end closes every connection. Home:
// loop.
template <class Protocol>
class Listener {
 public:
  using Socket = typename Protocol::socket;
  using Closed = std::function<void(AnyConnection*)>;
  // The connection for a new socket, not started; null: it is closed at once.
  using Admit = std::function<std::shared_ptr<AnyConnection>(Socket, Closed)>;

  Listener(Loop& loop, typename Protocol::acceptor acceptor, size_t limit, Admit admit)
      : loop_(loop), acceptor_(std::move(acceptor)), limit_(limit), admit_(std::move(admit)) {
    accept();
  }
  ~Listener() {
    *alive_ = false;
    error_code ignored;
    acceptor_.close(ignored);
    // Each may end others, and so change nothing here: the callback sees that we are gone.
    std::vector<std::shared_ptr<AnyConnection>> open;
    for (const auto& [key, weak] : connections_)
      if (auto connection = weak.lock()) open.push_back(std::move(connection));
    for (const auto& connection : open) connection->shutdown();
  }

  auto localEndpoint() const {
    error_code ignored;
    return acceptor_.local_endpoint(ignored);
  }

 private:
  void accept() {
    acceptor_.async_accept([this, alive = alive_](error_code error, Socket socket) {
      if (!*alive || error == asio::error::operation_aborted) return;
      if (error) {  // out of descriptors: not in a busy loop
        retry_ = loop_.after(std::chrono::milliseconds(100), [this] { accept(); });
        return;
      }
      if (connections_.size() < limit_) {
        const auto closed = [this, alive](AnyConnection* gone) {
          if (*alive) connections_.erase(gone);
        };
        if (auto connection = admit_(std::move(socket), closed)) {
          connections_.emplace(connection.get(), connection);
          connection->start();
        }
      }
      accept();
    });
  }

  Loop& loop_;
  typename Protocol::acceptor acceptor_;
  const size_t limit_;
  const Admit admit_;
  std::map<AnyConnection*, std::weak_ptr<AnyConnection>> connections_;
  Registration retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace keelson::kubelet::server
