// Byte sources and decompression.
#include <gtest/gtest.h>

#include "runtime/images/byte_source.h"
#include "runtime/images/decompress.h"
#include "runtime/images/digest.h"
#include "runtime/images/single_flight.h"
#include "runtime/images/tar_reader.h"
#include "tests/fakes/layer_tar.h"

namespace keelson::runtime::images {
namespace {

using fakes::gzipped;
using fakes::LayerTar;
using fakes::zstdPacked;

// Hands out a text in pieces of a given size.
class TextSource : public ByteSource {
 public:
  TextSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}
  Result<std::string_view> next() override {
    const auto piece = std::string_view(text_).substr(at_, piece_);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string text_;
  size_t piece_;
  size_t at_ = 0;
};

Result<std::string> unpack(const std::string& packed, size_t piece) {
  TextSource source(packed, piece);
  const auto decompressor = makeDecompressor(source);
  std::string all;
  while (true) {
    const auto next = TRY(decompressor->next());
    if (next.empty()) return all;
    all += next;
  }
}

std::string sample(size_t size) {
  std::string text;
  unsigned state = 7;
  while (text.size() < size) {
    state = state * 1103515245 + 12345;
    text += fmt::format("{} ", state >> 20);
  }
  text.resize(size);
  return text;
}

TEST(Decompress, GivesBackWhatWentInWhateverThePieces) {
  for (const size_t size : {0ul, 1ul, 3ul, 511ul, 262144ul, 262145ul, 1500000ul}) {
    const auto plain = sample(size);
    for (const size_t piece : {1ul, 7ul, 4096ul, 1ul << 20}) {
      if (piece < 4096 && size > 2000) continue;  // small pieces of much only take long
      for (const auto& packed : {plain, gzipped(plain), zstdPacked(plain)}) {
        const auto got = unpack(packed, piece);
        ASSERT_TRUE(got.ok()) << got.error().text << " " << size << "/" << piece;
        EXPECT_EQ(*got == plain, true) << size << "/" << piece;
      }
    }
  }
}

TEST(Decompress, MembersAndFramesThatFollowEachOtherAreOneStream) {
  const auto a = sample(1000), b = sample(300000);
  for (const size_t piece : {3ul, 100000ul}) {
    EXPECT_EQ(unpack(gzipped(a) + gzipped("") + gzipped(b), piece).value(), a + b);
    EXPECT_EQ(unpack(zstdPacked(a) + zstdPacked(b), piece).value(), a + b);
    EXPECT_EQ(unpack(gzipped(a) + std::string(700, '\0'), piece).value(), a);
  }
  const std::string skippable("\x52\x2a\x4d\x18\x04\x00\x00\x00zzzz", 12);
  EXPECT_EQ(unpack(skippable + zstdPacked(a), 5).value(), a);
}

TEST(Decompress, BrokenAndShortStreamsAreDataLoss) {
  const auto plain = sample(100000);
  for (const auto& packed : {gzipped(plain), zstdPacked(plain)}) {
    for (const size_t cut : {5ul, packed.size() / 2, packed.size() - 1}) {
      const auto got = unpack(packed.substr(0, cut), 1000);
      ASSERT_FALSE(got.ok()) << cut;
      EXPECT_EQ(got.error().code, Code::kDataLoss);
    }
    auto damaged = packed;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
    const auto got = unpack(damaged, 1000);
    EXPECT_TRUE(!got.ok() || *got != plain);
  }
  auto wrong_crc = gzipped(plain);
  wrong_crc[wrong_crc.size() - 8] = static_cast<char>(wrong_crc[wrong_crc.size() - 8] ^ 1);
  EXPECT_EQ(unpack(wrong_crc, 1000).error().code, Code::kDataLoss);
  EXPECT_EQ(unpack(gzipped(plain) + "garbage", 1000).error().code, Code::kDataLoss);
  EXPECT_EQ(unpack(gzipped(plain) + std::string(8, '\0') + "garbage", 1000).error().code, Code::kDataLoss);
}

TEST(DigestSource, CountsAndBounds) {
  TextSource source("hello world", 3);
  DigestSource digest(source, "thing", 11);
  EXPECT_EQ(digest.finish().value(), digestOf("hello world"));
  EXPECT_EQ(digest.bytes(), 11);
  TextSource longer("hello world!", 3);
  DigestSource bounded(longer, "thing", 11);
  EXPECT_EQ(bounded.finish().error().code, Code::kResourceExhausted);
}

TEST(Stream, SendingToAClosedReaderIsAnError) {
  auto stream = makeStream().value();
  stream.reader.reset();
  Stop stop;
  const auto sent = sendAll(stream.writer.get(), "x", stop);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, Code::kCancelled);
}

TEST(Stream, WaitingEndsWithTheStop) {
  auto stream = makeStream().value();
  Stop stop;
  stop.cancel();
  FdSource source(stream.reader.get(), "pipe", stop);
  EXPECT_EQ(source.next().error().code, Code::kCancelled);
  Stop soon(std::chrono::milliseconds(1));
  FdSource late(stream.reader.get(), "pipe", soon);
  EXPECT_EQ(late.next().error().code, Code::kDeadlineExceeded);
}

TEST(TarReader, KeepsNamesThatAreNotAscii) {
  fakes::TarFields fields;
  fields.pax["path"] = "etc/F\xc5\x91tan\xc3\xbas\xc3\xadtv\xc3\xa1ny.crt";
  TextSource source(LayerTar().add('0', "short", "x", fields).file("etc/caf\xe9", "y").bytes(), 1000);
  auto reader = TarReader::open(source).value();
  EXPECT_EQ((*reader.next())->path, fields.pax["path"]);
  EXPECT_EQ((*reader.next())->path, "etc/caf\xe9");
  EXPECT_FALSE(reader.next()->has_value());
}

TEST(TarReader, RefusesAPaxNameThatWouldChange) {
  fakes::TarFields fields;
  fields.pax["path"] = "etc/caf\xe9";
  TextSource source(LayerTar().add('0', "short", "x", fields).bytes(), 1000);
  auto reader = TarReader::open(source).value();
  const auto entry = reader.next();
  ASSERT_FALSE(entry.ok()) << (*entry)->path;
  EXPECT_EQ(entry.error().code, Code::kDataLoss);
}

TEST(TarReader, OwnerNamesThatAreNotUtf8DoNotMatter) {
  fakes::TarFields fields;
  fields.pax["uname"] = "caf\xe9";
  fields.pax["SCHILY.acl.access"] = "nonsense";
  TextSource source(LayerTar().add('0', "file", "x", fields).bytes(), 1000);
  auto reader = TarReader::open(source).value();
  const auto entry = reader.next();
  ASSERT_TRUE(entry.ok()) << entry.error().text;
  EXPECT_EQ((*entry)->path, "file");
}

TEST(TarReader, AnEmptyStreamIsAnEmptyLayer) {
  for (const auto& text : {std::string(), std::string(1024, '\0'), std::string(10240, '\0')}) {
    TextSource source(text, 512);
    auto reader = TarReader::open(source);
    ASSERT_TRUE(reader.ok()) << reader.error().text;
    const auto entry = reader->next();
    ASSERT_TRUE(entry.ok()) << entry.error().text;
    EXPECT_FALSE(entry->has_value());
  }
}

TEST(TarReader, PassesOnTheSourcesError) {
  TextSource source(LayerTar().file("a", std::string(5000, 'x')).bytes(), 512);
  DigestSource bounded(source, "layer", 2000);
  auto reader = TarReader::open(bounded).value();
  ASSERT_TRUE(reader.next().ok());
  Result<std::optional<TarData>> data = std::optional<TarData>();
  do data = reader.data();
  while (data.ok() && data->has_value());
  ASSERT_FALSE(data.ok());
  EXPECT_EQ(data.error().code, Code::kResourceExhausted);
}

TEST(SingleFlight, OneWorksTheOthersWait) {
  SingleFlight<int> flight;
  std::atomic<int> runs{0};
  std::promise<void> started, release;
  auto leader = std::async(std::launch::async, [&] {
    Stop stop;
    return flight
        .run(
            "k",
            [&]() -> Result<int> {
              ++runs;
              started.set_value();
              release.get_future().wait();
              return 7;
            },
            stop)
        .value();
  });
  started.get_future().wait();
  auto follower = std::async(std::launch::async, [&] {
    Stop stop;
    return flight
        .run(
            "k", [&]() -> Result<int> { return ++runs; }, stop)
        .value();
  });
  Stop expired(std::chrono::milliseconds(1));
  EXPECT_EQ(flight
                .run(
                    "k", [&]() -> Result<int> { return ++runs; }, expired)
                .error()
                .code,
            Code::kDeadlineExceeded);
  release.set_value();
  EXPECT_EQ(leader.get(), 7);
  // Came while the leader worked, or after him: then it ran itself.
  const int followed = follower.get();
  EXPECT_TRUE(followed == 7 || followed == 2);
}

TEST(SingleFlight, ALeaderWhoGaveUpIsReplaced) {
  SingleFlight<int> flight;
  std::promise<void> started, release;
  auto leader = std::async(std::launch::async, [&] {
    Stop stop;
    return flight.run(
        "k",
        [&]() -> Result<int> {
          started.set_value();
          release.get_future().wait();
          return makeError(Code::kCancelled, "gave up");
        },
        stop);
  });
  started.get_future().wait();
  auto follower = std::async(std::launch::async, [&] {
    Stop stop;
    return flight.run(
        "k", []() -> Result<int> { return 8; }, stop);
  });
  release.set_value();
  EXPECT_FALSE(leader.get().ok());
  EXPECT_EQ(follower.get().value(), 8);
}

}  // namespace
}  // namespace keelson::runtime::images
