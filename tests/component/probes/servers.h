// Small servers on the test's own loop: what a probe meets.
#pragma once

#include <nghttp2/nghttp2.h>

#include <boost/asio.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"

namespace keelson::probes::test {

namespace asio = boost::asio;
using asio::ip::tcp;

// Accepts on a port of loopback that the kernel chose. Each request (up to the empty line) is answered by
// `answer`; "" answers nothing and keeps the connection open.
class TextServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  TextServer(Loop& loop, Answer answer)
      : acceptor_(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        answer_(std::move(answer)) {
    accept();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections = 0;

 private:
  struct Peer {
    explicit Peer(tcp::socket given) : socket(std::move(given)) {}
    tcp::socket socket;
    std::string text;
  };
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      ++connections;
      read(std::make_shared<Peer>(std::move(socket)));
      accept();
    });
  }
  void read(std::shared_ptr<Peer> peer) {
    asio::async_read_until(peer->socket, asio::dynamic_buffer(peer->text), "\r\n\r\n",
                           [this, peer](boost::system::error_code error, size_t) {
                             if (error) return;
                             const auto reply = std::make_shared<std::string>(answer_(peer->text));
                             kept_ = peer;
                             if (reply->empty()) return;
                             asio::async_write(peer->socket, asio::buffer(*reply),
                                               [this, peer, reply](boost::system::error_code, size_t) {
                                                 boost::system::error_code ignored;
                                                 peer->socket.shutdown(tcp::socket::shutdown_send, ignored);
                                               });
                           });
  }

  tcp::acceptor acceptor_;
  Answer answer_;
  std::shared_ptr<Peer> kept_;
};

// Answers each call of a gRPC client with one message and a status in the trailers.
class GrpcServer {
 public:
  struct Script {
    std::string message;       // framed; "" sends none
    std::string status = "0";  // "" sends no trailers
  };
  GrpcServer(Loop& loop, Script script)
      : acceptor_(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        script_(std::move(script)) {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      socket_.emplace(std::move(socket));
      nghttp2_session_callbacks* callbacks = nullptr;
      nghttp2_session_callbacks_new(&callbacks);
      nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrame);
      nghttp2_session_server_new(&session_, callbacks, this);
      nghttp2_session_callbacks_del(callbacks);
      nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
      read();
    });
  }
  ~GrpcServer() { nghttp2_session_del(session_); }
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;
  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  static nghttp2_nv field(std::string& name, std::string& value) {
    return {reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
            value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  static int onFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<GrpcServer*>(user);
    const bool ends = frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends) return 0;
    std::string status = ":status", ok = "200";
    const nghttp2_nv head = field(status, ok);
    nghttp2_data_provider body{};
    body.source.ptr = &self;
    body.read_callback = [](nghttp2_session* in, int32_t stream, uint8_t* out, size_t, uint32_t* flags,
                            nghttp2_data_source* source, void*) -> ssize_t {
      auto& server = *static_cast<GrpcServer*>(source->ptr);
      std::copy(server.script_.message.begin(), server.script_.message.end(), out);
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!server.script_.status.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        std::string name = "grpc-status";
        const nghttp2_nv trailer = field(name, server.script_.status);
        nghttp2_submit_trailer(in, stream, &trailer, 1);
      }
      return static_cast<ssize_t>(server.script_.message.size());
    };
    nghttp2_submit_response(session, frame->hd.stream_id, &head, 1, &body);
    return 0;
  }
  void read() {
    socket_->async_read_some(asio::buffer(incoming_), [this](boost::system::error_code error, size_t size) {
      if (error) return;
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(incoming_.data()), size);
      const uint8_t* data = nullptr;
      for (ssize_t got = nghttp2_session_mem_send(session_, &data); got > 0;
           got = nghttp2_session_mem_send(session_, &data)) {
        boost::system::error_code ignored;
        asio::write(*socket_, asio::buffer(data, static_cast<size_t>(got)), ignored);
      }
      read();
    });
  }

  tcp::acceptor acceptor_;
  Script script_;
  std::optional<tcp::socket> socket_;
  nghttp2_session* session_ = nullptr;
  std::array<char, 8192> incoming_{};
};

}  // namespace keelson::probes::test
