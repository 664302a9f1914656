#include <nghttp2/nghttp2.h>

#include <boost/asio/write.hpp>

#include <array>
#include <map>

#include "probes/connection.h"
#include "probes/deadline.h"
#include "probes/grpc_message.h"
#include "probes/network_probes.h"

namespace keelson::probes {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kUnimplemented = 12;  // https://grpc.io/docs/guides/status-codes/
constexpr size_t kMaxHeaderValue = 4096;

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 copies both; its interface is without const.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// One HTTP/2 call over a connection that stands: a request, its answer, its trailers. Shared by its
// callbacks. Home: loop.
class Call : public std::enable_shared_from_this<Call> {
 public:
  struct Answer {
    std::string error;                           // of the transport; "" if the call came to its end
    std::map<std::string, std::string> headers;  // and trailers
    std::string body;
  };
  using Ended = std::function<void(Answer)>;

  Call(std::shared_ptr<Connection> connection, const GrpcTarget& target)
      : connection_(std::move(connection)),
        authority_(joinHostPort(target.host, target.port)),
        request_(encodeHealthRequest(target.service)) {}
  ~Call() { nghttp2_session_del(session_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void start(Ended ended) {
    ended_ = std::move(ended);
    if (!open()) return end("http2: no session");
    send();
    receive();
  }
  void cancel() { ended_ = nullptr; }

 private:
  bool open() {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return false;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onClose);
    const int made = nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    if (made != 0 || nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0) != 0) return false;
    const std::array headers{header(":method", "POST"),
                             header(":scheme", "http"),
                             header(":path", "/grpc.health.v1.Health/Check"),
                             header(":authority", authority_),
                             header("content-type", "application/grpc"),
                             header("te", "trailers"),
                             header("user-agent", "kube-probe/1.36")};
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = readBody;
    return nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, nullptr) > 0;
  }

  static ssize_t readBody(nghttp2_session*, int32_t, uint8_t* out, size_t room, uint32_t* flags,
                          nghttp2_data_source*, void* user) {
    auto& self = *static_cast<Call*>(user);
    const size_t size = std::min(room, self.request_.size() - self.sent_);
    std::copy_n(self.request_.data() + self.sent_, size, out);
    self.sent_ += size;
    if (self.sent_ == self.request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
  static int onHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    auto& headers = static_cast<Call*>(user)->answer_.headers;
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    // Only what is read later is kept.
    if (key == ":status" || key == "grpc-status" || key == "grpc-message")
      headers[key] = std::string(reinterpret_cast<const char*>(value), std::min(value_size, kMaxHeaderValue));
    return 0;
  }
  static int onData(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size, void* user) {
    auto& body = static_cast<Call*>(user)->answer_.body;
    if (body.size() + size > kMaxGrpcAnswer) return NGHTTP2_ERR_CALLBACK_FAILURE;
    body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int onClose(nghttp2_session*, int32_t, uint32_t, void* user) {
    static_cast<Call*>(user)->closed_ = true;
    return 0;
  }

  // Everything that the session has to say goes out in one write.
  void send() {
    if (sending_) return;
    outgoing_.clear();
    for (;;) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) return end(std::string("http2: ") + nghttp2_strerror(static_cast<int>(size)));
      if (size == 0) break;
      outgoing_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
    if (outgoing_.empty()) return;
    sending_ = true;
    asio::async_write(connection_->socket(), asio::buffer(outgoing_),
                      [self = shared_from_this()](error_code error, size_t) {
                        self->sending_ = false;
                        if (error) return self->end(errorWords(error));
                        if (self->ended_) self->send();
                      });
  }

  void receive() {
    connection_->socket().async_read_some(
        asio::buffer(incoming_), [self = shared_from_this()](error_code error, size_t size) {
          if (error) return self->end(error == asio::error::eof ? "EOF" : errorWords(error));
          const ssize_t read = nghttp2_session_mem_recv(
              self->session_, reinterpret_cast<const uint8_t*>(self->incoming_.data()), size);
          if (read < 0) return self->end(std::string("http2: ") + nghttp2_strerror(static_cast<int>(read)));
          if (self->closed_) return self->end("");
          if (!self->ended_) return;
          self->send();
          if (self->ended_) self->receive();
        });
  }

  void end(const std::string& error) {
    const auto ended = std::move(ended_);
    ended_ = nullptr;
    if (!ended) return;
    answer_.error = error;
    ended(std::move(answer_));
  }

  const std::shared_ptr<Connection> connection_;
  const std::string authority_, request_;
  nghttp2_session* session_ = nullptr;
  size_t sent_ = 0;
  std::string outgoing_;
  std::array<char, 8192> incoming_{};
  bool sending_ = false, closed_ = false;
  Answer answer_;
  Ended ended_;
};

Outcome healthOutcome(const Call::Answer& answer) {
  if (!answer.error.empty())
    return {Verdict::kFailure,
            "error: health rpc failed: rpc error: code = Unavailable desc = " + answer.error};
  const auto value = [&](const char* name) {
    const auto found = answer.headers.find(name);
    return found == answer.headers.end() ? std::string() : found->second;
  };
  const std::string status = value("grpc-status");
  if (status.empty())
    return {Verdict::kFailure,
            "error: health rpc failed: the answer with HTTP status " + value(":status") + " is no gRPC"};
  const std::string message = decodeGrpcMessage(value("grpc-message"));
  if (status == std::to_string(kUnimplemented))
    return {
        Verdict::kFailure,
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + message};
  if (status != "0")
    return {Verdict::kFailure,
            fmt::format("error: health rpc failed: rpc error: code = {} desc = {}", status, message)};
  const auto serving = decodeHealthResponse(answer.body);
  if (!serving) return {Verdict::kFailure, "error: health rpc failed: " + serving.error().text};
  if (*serving == ServingStatus::kServing) return {};
  return {Verdict::kFailure,
          fmt::format("service unhealthy (responded with \"{}\")", servingStatusName(*serving))};
}

class GrpcAttempt final : public Attempt {
 public:
  GrpcAttempt(const Effects& effects, const GrpcTarget& target, Duration timeout, Done done)
      : target_(target),
        timeout_(timeout),
        done_(std::move(done)),
        connection_(std::make_shared<Connection>(effects.loop)),
        deadline_(effects.loop, effects.clock, timeout, [this] { expire(); }) {
    connection_->dial(target_.host, target_.port, [this](const std::string& error) {
      if (!error.empty()) return finish({Verdict::kFailure, "error: health rpc failed: " + error});
      call_ = std::make_shared<Call>(connection_, target_);
      call_->start([this](Call::Answer answer) { finish(healthOutcome(answer)); });
    });
  }
  ~GrpcAttempt() override { drop(); }

 private:
  void expire() {
    if (call_)
      return finish({Verdict::kFailure, fmt::format("timeout: health rpc did not complete within {}",
                                                    formatDuration(timeout_))});
    finish({Verdict::kFailure,
            fmt::format("timeout: failed to connect service \"{}\" within {}: context deadline exceeded",
                        joinHostPort(target_.host, target_.port), formatDuration(timeout_))});
  }
  void drop() {
    if (call_) call_->cancel();
    connection_->close();
  }
  void finish(Outcome outcome) {
    if (!done_) return;
    const Done done = std::move(done_);
    done_ = nullptr;
    drop();
    done(std::move(outcome));  // may destroy this
  }

  const GrpcTarget target_;
  const Duration timeout_;
  Done done_;
  const std::shared_ptr<Connection> connection_;
  Deadline deadline_;
  std::shared_ptr<Call> call_;
};

}  // namespace

AttemptPtr startGrpc(const Effects& effects, const GrpcTarget& target, Duration timeout, Done done) {
  return std::make_unique<GrpcAttempt>(effects, target, timeout, std::move(done));
}

}  // namespace keelson::probes
