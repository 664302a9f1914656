// exec over SPDY/3.1, for API servers and clients that speak it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "base/executor.h"
#include "kubelet/server/spdy_session.h"

namespace keelson::kubelet::server {

// The numbers of the channel protocol; each is one stream here, named by its header streamType.
enum ChannelNumber : char { kStdin = 0, kStdout = 1, kStderr = 2, kStatus = 3, kResize = 4 };
inline constexpr unsigned char kCloseChannel =
    255;  // then the number of the channel that the client has closed

inline constexpr Duration kStreamCreationTime = std::chrono::seconds(30);

// Joins streams to a conversation of the channel protocol, which begins when all of `expected` are there; a
// client that does not open them in time is cut off. Home: loop.
class SpdyExec : public spdy::Session, private Channel {
 public:
  SpdyExec(Loop& loop, std::set<char> expected, std::unique_ptr<Conversation> inner);

 private:
  // spdy::Session
  void onStream(uint32_t stream, const spdy::Headers& headers) override;
  void onData(uint32_t stream, std::string bytes, bool fin) override;
  void onReset(uint32_t stream) override;
  bool wantsMore() const override;
  // Channel, of the inner conversation
  void send(std::string message, std::function<void()> sent) override;
  void receive() override;
  void close() override;

  std::optional<char> channelOf(uint32_t stream) const;
  void deliver();

  std::set<char> expected_;
  std::map<char, uint32_t> streams_;
  std::deque<std::string> pending_;  // messages for the inner conversation
  size_t pending_bytes_ = 0;
  bool started_ = false, wanted_ = false, delivering_ = false;
  Registration creation_;
  std::unique_ptr<Conversation> inner_;
};

}  // namespace keelson::kubelet::server
