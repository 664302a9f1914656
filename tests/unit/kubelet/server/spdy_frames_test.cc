#include "kubelet/server/spdy_frames.h"

#include <gtest/gtest.h>

#include "base/sha256.h"

namespace keelson::kubelet::server::spdy {
namespace {

TEST(SpdyFrames, UseTheDictionaryOfTheProtocol) {
  EXPECT_EQ(dictionary().size(), 1423u);
  EXPECT_EQ(sha256Hex(dictionary()), "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02");
}

TEST(SpdyFrames, ArriveHoweverTheyAreCut) {
  Writer writer;
  std::string bytes = writer.synStream(1, {{"streamtype", "error"}, {"port", "80"}});
  bytes += writer.synStream(3, {{"streamtype", "data"}, {"port", "80"}});  // its headers build on the first's
  bytes += Writer::data(3, std::string(5000, 'x'), false) + Writer::data(3, "", true) + Writer::ping(7) +
           Writer::reset(1, kCancel) + Writer::goAway(0);
  for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
    Reader reader;
    std::vector<Frame> frames;
    for (size_t at = 0; at < bytes.size(); at += step) {
      auto some = reader.feed(std::string_view(bytes).substr(at, step)).value();
      for (auto& frame : some) frames.push_back(std::move(frame));
    }
    ASSERT_GE(frames.size(), 7u);
    EXPECT_EQ(std::get<SynStream>(frames[0]).headers.at("streamtype"), "error");
    EXPECT_EQ(std::get<SynStream>(frames[1]).stream, 3u);
    size_t data = 0;
    bool fin = false;
    for (const auto& frame : frames)
      if (const auto* piece = std::get_if<Data>(&frame)) data += piece->bytes.size(), fin = piece->fin;
    EXPECT_EQ(data, 5000u);
    EXPECT_TRUE(fin);
    EXPECT_TRUE(std::holds_alternative<GoAway>(frames.back()));
  }
}

TEST(SpdyFrames, RefuseWhatBreaksTheProtocol) {
  const std::string cases[] = {
      std::string("\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01", 12),  // version 2
      std::string("\x80\x03\x00\x06\x00\x00\x00\x01\x00", 9),               // a short PING
      std::string("\x80\x03\x00\x01\x00\xff\xff\xff", 8),                   // 16 MiB of headers
      std::string("\x80\x03\x00\x01\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00zz",
                  20),  // no zlib
  };
  for (const auto& bytes : cases) EXPECT_FALSE(Reader().feed(bytes));
}

TEST(SpdyFrames, InflateNoMoreThanTheirLimit) {
  Writer writer;
  const std::string bomb = writer.synStream(1, {{"x", std::string(4 << 20, 'a')}});
  ASSERT_LT(bomb.size(), kMaxControl);
  EXPECT_FALSE(Reader().feed(bomb));
}

TEST(SpdyFrames, PassOverWhatTheyDoNotUse) {
  const std::string settings("\x80\x03\x00\x04\x00\x00\x00\x04\x00\x00\x00\x00", 12);
  const std::string window("\x80\x03\x00\x09\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x10\x00", 16);
  const auto frames = Reader().feed(settings + window + Writer::ping(1));
  ASSERT_TRUE(frames);
  EXPECT_EQ(frames->size(), 1u);
}

}  // namespace
}  // namespace keelson::kubelet::server::spdy
