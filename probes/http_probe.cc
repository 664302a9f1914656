#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <variant>

#include "probes/connection.h"
#include "probes/deadline.h"
#include "probes/network_probes.h"

namespace keelson::probes {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr int kMaxRedirects = 10;
constexpr uint32_t kMaxHeader = 64 * 1024;

asio::ssl::context& tlsContext() {
  // Probes never verify: the kubelet does not either, and pods have no names to verify.
  static asio::ssl::context context = [] {
    asio::ssl::context made(asio::ssl::context::tls_client);
    made.set_verify_mode(asio::ssl::verify_none);
    return made;
  }();
  return context;
}

// What came first from the server is no TLS record.
bool isPlainAnswer(const error_code& error) {
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER;
}

// One request and its answer's head, over a connection that stands. Shared by its own callbacks; `ended` is
// emptied by whoever gives it up.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  struct Answer {
    std::string error;  // "" if there is an answer
    unsigned status = 0;
    std::string location;
    std::string body;  // what came of it, at most kMaxOutput
  };
  using Ended = std::function<void(Answer)>;

  Exchange(Loop& loop, const HttpTarget& target)
      : target_(target), connection_(std::make_shared<Connection>(loop)) {
    request_.method(http::verb::get);
    request_.version(11);
    request_.target(target.path);
    request_.set(http::field::host, target.host_header);
    for (const auto& [name, value] : target.headers) request_.insert(name, value);
    request_.set(http::field::connection, "close");
    parser_.header_limit(kMaxHeader);
    parser_.body_limit(boost::none);
    body_.resize(kMaxOutput);
  }

  void start(Ended ended) {
    ended_ = std::move(ended);
    connection_->dial(target_.host, target_.port, [self = shared_from_this()](const std::string& error) {
      if (!error.empty()) return self->fail(error);
      if (self->target_.tls) return self->handshake();
      self->write(self->connection_->socket());
    });
  }

  void cancel() {
    ended_ = nullptr;
    connection_->close();
  }

 private:
  using Tls = asio::ssl::stream<asio::ip::tcp::socket&>;

  void handshake() {
    tls_.emplace(connection_->socket(), tlsContext());
    if (error_code bad; asio::ip::make_address(target_.host, bad), bad)
      SSL_set_tlsext_host_name(tls_->native_handle(), target_.host.c_str());
    tls_->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](error_code error) {
      if (isPlainAnswer(error)) return self->fail(kPlainAnswer);
      if (error) return self->fail("tls: " + errorWords(error));
      self->write(*self->tls_);
    });
  }

  template <class Stream>
  void write(Stream& stream) {
    http::async_write(stream, request_, [self = shared_from_this(), &stream](error_code error, size_t) {
      if (error) return self->fail(errorWords(error));
      self->readHead(stream);
    });
  }

  template <class Stream>
  void readHead(Stream& stream) {
    http::async_read_header(stream, buffer_, parser_,
                            [self = shared_from_this(), &stream](error_code error, size_t) {
                              if (error == http::error::end_of_stream) return self->fail("EOF");
                              if (error) return self->fail(errorWords(error));
                              self->readBody(stream);
                            });
  }

  // Up to the limit or the end: a server that is cut off in the middle of a long answer would log an error.
  template <class Stream>
  void readBody(Stream& stream) {
    auto& body = parser_.get().body();
    body.data = body_.data() + got_;
    body.size = body_.size() - got_;
    if (parser_.is_done() || body.size == 0) return finish();
    http::async_read_some(stream, buffer_, parser_,
                          [self = shared_from_this(), &stream](error_code error, size_t) {
                            self->got_ = self->body_.size() - self->parser_.get().body().size;
                            // The verdict is in the head; a body that breaks off changes nothing.
                            if (error && error != http::error::need_buffer) return self->finish();
                            self->readBody(stream);
                          });
  }

  void finish() {
    Answer answer;
    answer.status = parser_.get().result_int();
    answer.location = std::string(parser_.get()[http::field::location]);
    answer.body = body_.substr(0, got_);
    end(std::move(answer));
  }
  void fail(const std::string& error) {
    Answer answer;
    answer.error = error;
    end(std::move(answer));
  }
  void end(Answer answer) {
    connection_->close();
    const auto ended = std::move(ended_);
    ended_ = nullptr;
    if (ended) ended(std::move(answer));
  }

  const HttpTarget target_;
  const std::shared_ptr<Connection> connection_;
  std::optional<Tls> tls_;
  http::request<http::empty_body> request_;
  http::response_parser<http::buffer_body> parser_;
  beast::flat_buffer buffer_{kMaxHeader + kMaxOutput};
  std::string body_;
  size_t got_ = 0;
  Ended ended_;
};

class HttpAttempt final : public Attempt {
 public:
  HttpAttempt(const Effects& effects, HttpTarget target, Duration timeout, Done done)
      : loop_(effects.loop),
        target_(std::move(target)),
        done_(std::move(done)),
        deadline_(effects.loop, effects.clock, timeout, [this] {
          finish({Verdict::kFailure,
                  "Get \"" + target_.url() +
                      "\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"});
        }) {
    get();
  }
  ~HttpAttempt() override {
    if (exchange_) exchange_->cancel();
  }

 private:
  void get() {
    if (exchange_) exchange_->cancel();
    exchange_ = std::make_shared<Exchange>(loop_, target_);
    exchange_->start([this](Exchange::Answer answer) { onAnswer(answer); });
  }

  void onAnswer(const Exchange::Answer& answer) {
    if (!answer.error.empty())
      return finish({Verdict::kFailure, "Get \"" + target_.url() + "\": " + answer.error});
    const bool redirects = answer.status >= 300 && answer.status < 400 && !answer.location.empty();
    if (redirects) return redirect(answer);
    if (answer.status >= 200 && answer.status < 400) return finish({Verdict::kSuccess, ""});
    finish({Verdict::kFailure, fmt::format("HTTP probe failed with statuscode: {}", answer.status),
            static_cast<int32_t>(answer.status)});
  }

  void redirect(const Exchange::Answer& answer) {
    const auto next = followRedirect(target_, answer.location);
    if (!next) return finish({Verdict::kFailure, "Get \"" + target_.url() + "\": " + next.error().text});
    if (!next->same_host)
      return finish({Verdict::kWarning, "Probe terminated redirects, Response body: " + answer.body});
    if (++redirects_ > kMaxRedirects)
      return finish({Verdict::kFailure,
                     fmt::format("Get \"{}\": stopped after {} redirects", target_.url(), kMaxRedirects)});
    target_ = next->target;
    get();
  }

  void finish(Outcome outcome) {
    if (!done_) return;
    const Done done = std::move(done_);
    done_ = nullptr;
    exchange_->cancel();
    done(std::move(outcome));  // may destroy this
  }

  Loop& loop_;
  HttpTarget target_;
  Done done_;
  Deadline deadline_;
  std::shared_ptr<Exchange> exchange_;
  int redirects_ = 0;
};

}  // namespace

AttemptPtr startHttp(const Effects& effects, HttpTarget target, Duration timeout, Done done) {
  return std::make_unique<HttpAttempt>(effects, std::move(target), timeout, std::move(done));
}

}  // namespace keelson::probes
