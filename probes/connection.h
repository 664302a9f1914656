// One TCP connection of a probe, with what can go wrong before it stands.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <optional>
#include <string>

#include "base/executor.h"

namespace keelson::probes {

// Dials an address, or the first addresses that a name resolves to. The name is looked up by Asio's resolver
// thread, off the loop. Owned by an attempt; callbacks do not outlive the owner's shared state. Home: loop.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // "" or the words of a failed dial: "dial tcp 10.0.0.1:80: connect: connection refused".
  using Connected = std::function<void(const std::string& error)>;

  explicit Connection(Loop& loop);
  void dial(const std::string& host, uint16_t port, Connected connected);
  boost::asio::ip::tcp::socket& socket() { return socket_; }
  // Ends what is pending; the peer sees an orderly close, not a reset that it would log.
  void close();

 private:
  void connect(const boost::asio::ip::tcp::endpoint& endpoint);

  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  std::string where_;
  Connected connected_;
};

// The system's word for an error, as Go's net package spells the common ones: "connection refused".
std::string errorWords(const boost::system::error_code& error);

}  // namespace keelson::probes
