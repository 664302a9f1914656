#include "agent/keelctl/exec.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <charconv>
#include <deque>
#include <optional>

#include "agent/keelctl/client.h"
#include "agent/keelctl/print.h"
#include "base/fs.h"

namespace keelson::keelctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using beast::error_code;

// The local terminal in raw mode, put back at the end.
class RawTerminal {
 public:
  RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool active_ = false;
};

// One exec over the channel protocol (kubelet/server/remote_command.h). Runs its own io_context.
class Session {
 public:
  explicit Session(const ExecOptions& options)
      : options_(options), socket_(context_), input_(context_), resized_(context_) {}

  Result<int> run() {
    error_code error;
    auto& lowest = beast::get_lowest_layer(socket_);
    lowest.connect(asio::local::stream_protocol::endpoint(options_.socket_path), error);
    if (error) return errnoError(error.value(), "status socket " + options_.socket_path);
    Query query;
    for (const std::string& word : options_.command) query.emplace_back("command", word);
    query.emplace_back("output", "1");
    if (!options_.tty) query.emplace_back("error", "1");
    if (options_.stdin) query.emplace_back("input", "1");
    if (options_.tty) query.emplace_back("tty", "1");
    socket_.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
      request.set(http::field::sec_websocket_protocol, "v5.channel.k8s.io");
    }));
    websocket::response_type response;
    const std::string target =
        makeTarget({"exec", options_.pod_namespace, options_.pod, options_.container}, query);
    socket_.handshake(response, "keelson", target, error);
    if (error) return refusal(response, error);
    socket_.binary(true);
    std::optional<RawTerminal> raw;
    if (options_.tty && ::isatty(STDIN_FILENO)) raw.emplace();
    if (options_.tty) followSize();
    if (options_.stdin) {
      input_.assign(::dup(STDIN_FILENO), error);
      if (error)
        readBlockingInput();  // a regular file cannot be polled
      else
        readInput();
    }
    receive();
    context_.run();
    if (failure_) return std::move(*failure_);
    return exit_code_.value_or(1);
  }

 private:
  static Error refusal(const websocket::response_type& response, const error_code& error) {
    if (const auto value = parseJson(response.body()); value && value->is_object())
      return makeError(Code::kFailedPrecondition, "{}", textAt(*value, "message"));
    return makeError(Code::kUnavailable, "exec: {}", error.message());
  }

  void followSize() {
    sendSize();
    error_code error;
    resized_.add(SIGWINCH, error);
    waitResize();
  }
  void waitResize() {
    resized_.async_wait([this](error_code error, int) {
      if (error) return;
      sendSize();
      waitResize();
    });
  }
  void sendSize() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
    send(std::string(1, 4) + fmt::format("{{\"Width\":{},\"Height\":{}}}", size.ws_col, size.ws_row), {});
  }

  void readInput() {
    if (!input_.is_open()) return;
    input_.async_read_some(asio::buffer(piece_), [this](error_code error, size_t size) {
      if (error == asio::error::operation_aborted) return;
      if (error) return send(std::string("\xff\0", 2), {});
      send(std::string(1, 0) + std::string(piece_.data(), size), [this] { readInput(); });
    });
  }
  void readBlockingInput() {
    const ssize_t got = ::read(STDIN_FILENO, piece_.data(), piece_.size());
    if (got <= 0) return send(std::string("\xff\0", 2), {});
    send(std::string(1, 0) + std::string(piece_.data(), static_cast<size_t>(got)),
         [this] { readBlockingInput(); });
  }

  void send(std::string message, std::function<void()> sent) {
    queue_.emplace_back(std::move(message), std::move(sent));
    if (queue_.size() == 1) writeFirst();
  }
  void writeFirst() {
    socket_.async_write(asio::buffer(queue_.front().first), [this](error_code error, size_t) {
      if (error) return;  // the read side reports it
      auto sent = std::move(queue_.front().second);
      queue_.pop_front();
      if (!queue_.empty()) writeFirst();
      if (sent) sent();
    });
  }

  void receive() {
    socket_.async_read(buffer_, [this](error_code error, size_t) {
      if (error) {
        if (!exit_code_ && error != websocket::error::closed)
          failure_ =
              makeError(Code::kUnavailable, "exec: the connection to keelson broke: {}", error.message());
        return context_.stop();
      }
      const auto data = buffer_.cdata();
      onMessage({static_cast<const char*>(data.data()), data.size()});
      buffer_.consume(buffer_.size());
      receive();
    });
  }

  void onMessage(std::string_view message) {
    if (message.size() < 2) return;
    const char channel = message[0];
    message.remove_prefix(1);
    if (channel == 1 || channel == 2) {
      const auto written = writeAll(channel == 1 ? STDOUT_FILENO : STDERR_FILENO, message);
      if (!written) context_.stop();  // our reader is gone
    } else if (channel == 3) {
      onStatus(message);
    }
  }

  void onStatus(std::string_view text) {
    const auto status = parseJson(text);
    if (!status) return;
    if (textAt(*status, "status") == "Success") {
      exit_code_ = 0;
      return;
    }
    const std::string code = textAt(*status, "details.causes.0.message");
    int value = 1;
    std::from_chars(code.data(), code.data() + code.size(), value);
    exit_code_ = value;
    const std::string words = textAt(*status, "message");
    if (!words.starts_with("command terminated")) fmt::print(stderr, "error: {}\n", words);
  }

  const ExecOptions& options_;
  asio::io_context context_;
  websocket::stream<asio::local::stream_protocol::socket> socket_;
  asio::posix::stream_descriptor input_;
  asio::signal_set resized_;
  beast::flat_buffer buffer_;
  std::array<char, 32 * 1024> piece_;
  std::deque<std::pair<std::string, std::function<void()>>> queue_;
  std::optional<int> exit_code_;
  std::optional<Error> failure_;
};

}  // namespace

Result<int> runExec(const ExecOptions& options) { return Session(options).run(); }

}  // namespace keelson::keelctl
