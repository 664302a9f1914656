// The shim's end of the protocol: one listening socket, at most one connection.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/shim/message.h"
#include "runtime/shim/poller.h"

namespace keelson::runtime::shim {

inline constexpr size_t kMaxHeldDescriptors = 1024;  // of PutDescriptors, waiting for their StartContainer

// Accepts connections, a later one replaces the earlier; receives requests and sends answers. Never waits for
// the daemon: whoever does not take an answer loses the connection. Owned by Shim.
class Control {
 public:
  // Names one request of one connection, so that a late answer never reaches another daemon.
  struct Request {
    uint64_t connection = 0;
    uint32_t serial = 0;
  };
  using Handler = std::function<void(const Request&, Message)>;

  Control(Poller& poller, UniqueFd listener) : poller_(poller), listener_(std::move(listener)) {}
  Result<void> start(Handler handler);

  void answer(const Request& request, MessageKind kind, std::string_view body = {},
              std::span<const int> descriptors = {}, bool memfd_always = false);
  void fail(const Request& request, const Error& error);

  // The eventfd of the connection, written by changed().
  void setEventfd(UniqueFd eventfd) { eventfd_ = std::move(eventfd); }
  void changed() const;

  // Requests are answered in order: while one takes time, the next ones stay in the socket. resume() names
  // the request that is done; it may be of a connection that is gone.
  void pause();
  void resume(const Request& request);
  void disconnect();

  // Detached mounts of this connection by token; they dissolve with it.
  Result<void> hold(uint32_t first_token, std::vector<UniqueFd> descriptors);
  // Those of [first, first + count), in order; a missing one is invalid.
  std::vector<UniqueFd> takeHeld(uint32_t first, uint32_t count);

 private:
  void accept();
  void receive(uint32_t events);

  Poller& poller_;
  UniqueFd listener_;
  Handler handler_;
  Poller::Watch listener_watch_;
  UniqueFd connection_;
  Poller::Watch connection_watch_;
  uint64_t generation_ = 0;
  bool greeted_ = false;
  bool paused_ = false;
  UniqueFd eventfd_;
  std::map<uint32_t, UniqueFd> held_;
};

}  // namespace keelson::runtime::shim
