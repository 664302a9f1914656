// Inside HttpFront: what its connections share, and one connection.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <set>

#include "tests/fakes/api_server/http_front.h"

namespace keelson::fakes {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Status = boost::system::error_code;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

struct HttpSession;

// Home: loop.
struct HttpFront::Impl : std::enable_shared_from_this<HttpFront::Impl> {
  Impl(Loop& loop_in, const Clock& clock_in, ApiServer& server_in, FrontSettings settings_in)
      : loop(loop_in),
        clock(clock_in),
        server(server_in),
        settings(std::move(settings_in)),
        acceptor(loop.context()),
        tls(asio::ssl::context::tls_server) {}

  Result<void> start();
  void accept();
  void stop();
  Answer control(const Request& request);

  Loop& loop;
  const Clock& clock;
  ApiServer& server;
  FrontSettings settings;
  HttpChaos chaos;
  Tcp::acceptor acceptor;
  asio::ssl::context tls;
  std::set<std::shared_ptr<HttpSession>> sessions;
  std::vector<std::function<void()>> waiting;  // requests that came during a pause
  std::map<std::string, uint64_t> counts;      // by "METHOD path"
  uint64_t listener = 0;
  bool flush_posted = false, stopped = false;
  Registration bookmarks;
};

// One connection: requests one after the other, or a watch to its end.
struct HttpSession : std::enable_shared_from_this<HttpSession> {
  HttpSession(std::shared_ptr<HttpFront::Impl> front_in, Tcp::socket socket);

  void start();
  // The client certificate, if there is one.
  void whoIsThere();
  void read();
  void arrived();
  std::optional<User> whoAsks();
  void serve();
  void reply(Answer answer);
  void beginWatch();
  void endWatch();
  void frame(const std::string& lines);
  void flush(bool bookmark = false);
  void write();
  void close();

  std::shared_ptr<HttpFront::Impl> front;
  asio::ssl::stream<beast::tcp_stream> stream;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  Request request;
  std::optional<User> user;
  std::unique_ptr<Watch> watch;
  std::string out;
  char unread = 0;
  bool bad_certificate = false, writing = false, ending = false, closed = false;
  Registration timer;
};

}  // namespace keelson::fakes
