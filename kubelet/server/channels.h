// A connection after its upgrade: WebSocket messages, or bytes as they come. Included by connection.cc.
#pragma once

#include <array>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include "kubelet/server/connection.h"

namespace keelson::kubelet::server {

// Cuts off what is neither read nor written for too long. Home: loop.
class IdleTimer {
 public:
  IdleTimer(const asio::any_io_executor& executor, Duration limit) : timer_(executor), limit_(limit) {}
  void start(std::function<void()> expired) {
    expired_ = std::move(expired);
    arm();
  }
  void touch() { touched_ = true; }
  void stop() {
    timer_.cancel();
    expired_ = nullptr;
  }

 private:
  // Quiet for one whole period: so between one and two limits after the last byte.
  void arm() {
    touched_ = false;
    timer_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(limit_));
    timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](error_code error) {
      if (error || alive.expired()) return;
      if (touched_) return arm();
      if (auto expired = std::move(expired_)) expired();
    });
  }

  asio::steady_timer timer_;
  const Duration limit_;
  std::function<void()> expired_;
  bool touched_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// A queue of messages with one write under way. Home: loop.
struct SendQueue {
  struct Item {
    std::string bytes;
    std::function<void()> sent;
  };
  std::deque<Item> items;

  bool add(std::string bytes, std::function<void()> sent) {
    items.push_back({std::move(bytes), std::move(sent)});
    return items.size() == 1;
  }
  std::function<void()> pop() {
    auto sent = std::move(items.front().sent);
    items.pop_front();
    return sent;
  }
};

template <class Stream>
class WebSocketChannel : public AnyChannel, public std::enable_shared_from_this<WebSocketChannel<Stream>> {
 public:
  WebSocketChannel(Stream stream, const ServerLimits& limits, Upgrade upgrade,
                   std::shared_ptr<AnyConnection> connection)
      : socket_(std::move(stream)),
        subprotocol_(std::move(upgrade.subprotocol)),
        conversation_(std::move(upgrade.conversation)),
        connection_(std::move(connection)),
        idle_(socket_.get_executor(), limits.stream_idle_time) {
    socket_.read_message_max(limits.message_bytes);
    socket_.set_option(beast::websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket_.binary(!upgrade.text);
  }

  void accept(beast::http::request<beast::http::empty_body> request, const beast::flat_buffer& rest) {
    self_ = this->shared_from_this();
    auto kept = std::make_shared<beast::http::request<beast::http::empty_body>>(std::move(request));
    socket_.set_option(beast::websocket::stream_base::decorator(
        [subprotocol = subprotocol_](beast::websocket::response_type& response) {
          if (!subprotocol.empty()) response.set(beast::http::field::sec_websocket_protocol, subprotocol);
        }));
    // A client that waits for no answer has begun already.
    early_ = beast::buffers_to_string(rest.data());
    socket_.async_accept(*kept, [self = this->shared_from_this(), kept](error_code error) {
      if (error || !self->conversation_ || !self->early_.empty()) return self->end();
      self->idle_.start([weak = self->weak_from_this()] {
        if (auto idle = weak.lock()) idle->shutdown();
      });
      self->watchForHangUp();
      self->conversation_->start(*self);
    });
  }

  void send(std::string message, std::function<void()> sent) override {
    if (queue_.add(std::move(message), std::move(sent))) writeFirst();
  }

  void receive() override {
    socket_.async_read(buffer_, [self = this->shared_from_this()](error_code error, size_t) {
      if (error || !self->conversation_) return self->end();
      self->idle_.touch();
      const std::string message = beast::buffers_to_string(self->buffer_.cdata());
      self->buffer_.consume(self->buffer_.size());
      self->conversation_->onMessage(message);
    });
  }

  void close() override {
    closing_ = true;
    if (queue_.items.empty()) sendClose();
  }

  void shutdown() override {
    error_code ignored;
    beast::get_lowest_layer(socket_).socket().close(ignored);
    end();
  }

 private:
  void writeFirst() {
    socket_.async_write(asio::buffer(queue_.items.front().bytes),
                        [self = this->shared_from_this()](error_code error, size_t) {
                          if (error) return self->end();
                          self->idle_.touch();
                          auto sent = self->queue_.pop();
                          if (!self->queue_.items.empty()) {
                            self->writeFirst();
                          } else if (self->closing_) {
                            self->sendClose();
                          }
                          if (sent && self->conversation_) sent();
                        });
  }

  // While the conversation is busy nothing reads; a peer that is gone shows as EPOLLHUP (unix(7), tcp(7)).
  void watchForHangUp() {
    beast::get_lowest_layer(socket_).socket().async_wait(asio::socket_base::wait_error,
                                                         [weak = this->weak_from_this()](error_code error) {
                                                           if (auto self = weak.lock(); self && !error)
                                                             self->shutdown();
                                                         });
  }

  void sendClose() {
    socket_.async_close(beast::websocket::close_code::normal,
                        [self = this->shared_from_this()](error_code) { self->end(); });
  }

  void end() {
    idle_.stop();
    auto conversation = std::move(conversation_);
    auto connection = std::move(connection_);
    auto self = std::move(self_);
  }

  beast::websocket::stream<Stream> socket_;
  const std::string subprotocol_;
  std::string early_;
  beast::flat_buffer buffer_;
  std::unique_ptr<Conversation> conversation_;
  std::shared_ptr<AnyConnection> connection_;  // counts as open until the end
  std::shared_ptr<WebSocketChannel> self_;     // until the end: the conversation may be busy elsewhere
  SendQueue queue_;
  IdleTimer idle_;
  bool closing_ = false;
};

template <class Stream>
class ByteChannel : public AnyChannel, public std::enable_shared_from_this<ByteChannel<Stream>> {
 public:
  ByteChannel(Stream stream, const ServerLimits& limits, Upgrade upgrade,
              std::shared_ptr<AnyConnection> connection)
      : stream_(std::move(stream)),
        limits_(limits),
        conversation_(std::move(upgrade.conversation)),
        connection_(std::move(connection)),
        idle_(stream_.get_executor(), limits.stream_idle_time) {}

  // Sends `head`, then starts; `early` are bytes that came with the request.
  void begin(std::string head, std::string early) {
    self_ = this->shared_from_this();
    early_ = std::move(early);
    send(std::move(head), {});
    idle_.start([weak = this->weak_from_this()] {
      if (auto idle = weak.lock()) idle->shutdown();
    });
    conversation_->start(*this);
  }

  void send(std::string bytes, std::function<void()> sent) override {
    if (!self_) return;
    if (queue_.add(std::move(bytes), std::move(sent))) writeFirst();
  }

  void receive() override {
    if (!self_ || reading_) return;
    reading_ = true;
    if (!early_.empty()) {
      asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
        self->reading_ = false;
        if (self->conversation_) self->conversation_->onMessage(std::exchange(self->early_, {}));
      });
      return;
    }
    stream_.async_read_some(asio::buffer(piece_),
                            [self = this->shared_from_this()](error_code error, size_t size) {
                              self->reading_ = false;
                              if (self->closed_) return self->sayGoodBye();
                              if (error || !self->conversation_) return self->shutdown();
                              self->idle_.touch();
                              self->conversation_->onMessage({self->piece_.data(), size});
                            });
  }

  void close() override {
    closing_ = true;
    if (queue_.items.empty()) finish();
  }

  void shutdown() override {
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
    end();
  }

 private:
  void writeFirst() {
    asio::async_write(stream_, asio::buffer(queue_.items.front().bytes),
                      [self = this->shared_from_this()](error_code error, size_t) {
                        if (error) return self->shutdown();
                        self->idle_.touch();
                        auto sent = self->queue_.pop();
                        if (!self->queue_.items.empty()) {
                          self->writeFirst();
                        } else if (self->closing_) {
                          self->finish();
                        }
                        if (sent && self->conversation_) sent();
                      });
  }

  void finish() {
    if (std::exchange(closed_, true)) return;
    const bool reading = reading_;
    if (reading) beast::get_lowest_layer(stream_).cancel();  // goes on in its callback
    if (!reading) sayGoodBye();
  }

  void sayGoodBye() {
    if (std::exchange(said_, true)) return;
    auto self = this->shared_from_this();
    asio::post(stream_.get_executor(), [self] {
      self->end();
      closeGently(self->stream_, self->limits_.close_time, self);
    });
  }

  void end() {
    idle_.stop();
    auto conversation = std::move(conversation_);
    auto connection = std::move(connection_);
    auto self = std::move(self_);
  }

  Stream stream_;
  const ServerLimits limits_;
  std::array<char, 64 * 1024> piece_;
  std::string early_;
  std::unique_ptr<Conversation> conversation_;
  std::shared_ptr<AnyConnection> connection_;
  std::shared_ptr<ByteChannel> self_;
  SendQueue queue_;
  IdleTimer idle_;
  bool reading_ = false, closing_ = false, closed_ = false, said_ = false;
};

// Reads and forgets until the client's end.
template <class Lowest>
void drain(Lowest& lowest, std::shared_ptr<void> keep, std::shared_ptr<std::array<char, 4096>> waste) {
  lowest.async_read_some(asio::buffer(*waste), [&lowest, keep, waste](error_code error, size_t) {
    if (!error) return drain(lowest, keep, waste);
    error_code ignored;
    lowest.socket().close(ignored);
  });
}

template <class Stream>
void closeGently(Stream& stream, Duration time, std::shared_ptr<void> keep) {
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(time);
  const auto end_output = [&lowest, keep](error_code) {
    error_code ignored;
    lowest.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    drain(lowest, keep, std::make_shared<std::array<char, 4096>>());
  };
  if constexpr (kIsTls<Stream>)
    stream.async_shutdown(end_output);
  else
    end_output({});
}

}  // namespace keelson::kubelet::server
