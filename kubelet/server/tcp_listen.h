// A listening TCP socket with the errors that a person understands. Included by .cc files of this folder.
#pragma once

#include <boost/asio.hpp>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"

namespace keelson::kubelet::server {

inline Result<boost::asio::ip::tcp::acceptor> listenTcp(Loop& loop, const IpAddress& address, uint16_t port) {
  using boost::asio::ip::tcp;
  const std::string where = fmt::format("listen at {} port {}", address.str(), port);
  boost::system::error_code error;
  const tcp::endpoint endpoint(boost::asio::ip::make_address(address.str(), error), port);
  if (error) return errnoError(error.value(), where);
  tcp::acceptor acceptor(loop.context());
  acceptor.open(endpoint.protocol(), error);
  // A daemon that restarts meets its own connections in TIME_WAIT.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error == boost::asio::error::address_in_use)
    return makeError(Code::kAlreadyExists, "{}: another process (a kubelet?) has it", where);
  if (error) return errnoError(error.value(), where);
  return acceptor;
}

}  // namespace keelson::kubelet::server
