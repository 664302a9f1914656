#include "kubelet/server/spdy_exec.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace keelson::kubelet::server {
namespace {

// The client's side: what was sent to it, and whether it is read from.
struct FakeWire : Channel {
  void send(std::string message, std::function<void()> sent) override {
    const auto some = reader.feed(message).value();
    frames.insert(frames.end(), some.begin(), some.end());
    if (sent) pending.push_back(std::move(sent));
  }
  void receive() override { reading = true; }
  void close() override { closed = true; }

  std::string dataOf(uint32_t stream) const {
    std::string bytes;
    for (const auto& frame : frames)
      if (const auto* data = std::get_if<spdy::Data>(&frame); data && data->stream == stream)
        bytes += data->bytes;
    return bytes;
  }
  template <class T>
  size_t count() const {
    size_t n = 0;
    for (const auto& frame : frames) n += std::holds_alternative<T>(frame) ? 1 : 0;
    return n;
  }
  spdy::Reader reader;
  std::vector<spdy::Frame> frames;
  std::vector<std::function<void()>> pending;
  bool reading = false, closed = false;
};

struct Talk : Conversation {
  explicit Talk(std::vector<std::string>& heard, Channel*& to) : heard_(heard), to_(to) {}
  void start(Channel& channel) override {
    to_ = &channel;
    channel.send(std::string(1, kStdout), {});
    channel.receive();
  }
  void onMessage(std::string_view message) override { heard_.emplace_back(message); }
  std::vector<std::string>& heard_;
  Channel*& to_;
};

struct SpdyExecTest : testing::Test {
  void feed(const std::string& bytes) { exec->onMessage(bytes); }
  void open() {
    exec->start(wire);
    feed(client.synStream(1, {{"streamtype", "error"}}));
    feed(client.synStream(3, {{"streamtype", "stdin"}}));
    feed(client.synStream(5, {{"streamtype", "stdout"}}));
  }
  Loop loop;
  FakeWire wire;
  spdy::Writer client;
  std::vector<std::string> heard;
  Channel* talk = nullptr;
  std::unique_ptr<SpdyExec> exec = std::make_unique<SpdyExec>(loop, std::set<char>{kStatus, kStdin, kStdout},
                                                              std::make_unique<Talk>(heard, talk));
};

TEST_F(SpdyExecTest, BeginsWhenEveryStreamIsThere) {
  exec->start(wire);
  feed(client.synStream(1, {{"streamtype", "error"}}));
  feed(client.synStream(3, {{"streamtype", "stdin"}}));
  EXPECT_EQ(talk, nullptr);
  feed(client.synStream(5, {{"streamtype", "stdout"}}));
  EXPECT_NE(talk, nullptr);
  EXPECT_EQ(wire.count<spdy::SynReply>(), 3u);
  EXPECT_EQ(wire.dataOf(5), "");  // no empty frame of greeting
}

TEST_F(SpdyExecTest, CarriesEachChannelOnItsStreamAndSaysWhenItEnds) {
  open();
  feed(spdy::Writer::data(3, "in", false) + spdy::Writer::data(3, "", true));
  ASSERT_EQ(heard, std::vector<std::string>{std::string("\0in", 3)});
  talk->receive();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[1], std::string("\xff\0", 2));
  talk->send("\x01out", {});
  talk->send("\x03{}", {});
  talk->close();
  EXPECT_EQ(wire.dataOf(5), "out");
  EXPECT_EQ(wire.dataOf(1), "{}");
  EXPECT_EQ(wire.count<spdy::GoAway>(), 1u);
  EXPECT_TRUE(wire.closed);
}

TEST_F(SpdyExecTest, HoldsTheClientBackWhenTheCommandDoesNotRead) {
  open();
  wire.reading = false;
  feed(spdy::Writer::data(3, std::string(100, 'x'), false));
  EXPECT_TRUE(wire.reading);  // taken by the command
  for (int i = 0; i < 40 && wire.reading; ++i) {
    wire.reading = false;
    feed(spdy::Writer::data(3, std::string(32 * 1024, 'x'), false));
  }
  EXPECT_FALSE(wire.reading);
  while (heard.size() < 8) talk->receive();
  EXPECT_TRUE(wire.reading);
}

TEST_F(SpdyExecTest, RefusesStreamsThatItDoesNotKnowAndEndsABrokenConnection) {
  open();
  feed(client.synStream(7, {{"streamtype", "stdout"}}));
  feed(client.synStream(9, {}));
  EXPECT_EQ(wire.count<spdy::Reset>(), 2u);
  feed(client.synStream(4, {{"streamtype", "stderr"}}));  // an even number is the server's
  EXPECT_TRUE(wire.closed);
}

TEST_F(SpdyExecTest, AnswersPings) {
  open();
  feed(spdy::Writer::ping(1));
  EXPECT_EQ(wire.count<spdy::Ping>(), 1u);
}

TEST_F(SpdyExecTest, AnOutputThatTheClientResetIsDropped) {
  open();
  feed(spdy::Writer::reset(5, spdy::kCancel));
  bool sent = false;
  talk->send("\x01out", [&] { sent = true; });
  EXPECT_TRUE(sent);
  EXPECT_EQ(wire.dataOf(5), "");
}

}  // namespace
}  // namespace keelson::kubelet::server
