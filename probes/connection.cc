#include "probes/connection.h"

#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "probes/target.h"

namespace keelson::probes {

namespace asio = boost::asio;
using boost::system::error_code;

std::string errorWords(const error_code& error) {
  std::string text = error.message();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

Connection::Connection(Loop& loop) : resolver_(loop.context()), socket_(loop.context()) {}

void Connection::dial(const std::string& host, uint16_t port, Connected connected) {
  where_ = "dial tcp " + joinHostPort(host, port) + ": ";
  connected_ = std::move(connected);
  error_code bad;
  const auto address = asio::ip::make_address(host, bad);
  if (!bad) return connect({address, port});
  resolver_.async_resolve(
      host, std::to_string(port), asio::ip::resolver_base::numeric_service,
      [self = shared_from_this(), host](error_code error, const auto& found) {
        if (error == asio::error::operation_aborted) return;
        if (error || found.empty())
          return self->connected_(self->where_ + "lookup " + host + ": " + errorWords(error));
        self->connect(found.begin()->endpoint());
      });
}

void Connection::connect(const asio::ip::tcp::endpoint& endpoint) {
  socket_.async_connect(endpoint, [self = shared_from_this()](error_code error) {
    if (error == asio::error::operation_aborted) return;
    self->connected_(error ? self->where_ + "connect: " + errorWords(error) : "");
  });
}

void Connection::close() {
  connected_ = [](const std::string&) {};
  resolver_.cancel();
  if (!socket_.is_open()) return;
  error_code ignored;  // the socket goes in any case
  socket_.close(ignored);
}

}  // namespace keelson::probes
