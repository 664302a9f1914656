// Frames of SPDY/3.1, as far as Kubernetes' streams use them. Bytes in, frames out, and back.
// https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace keelson::kubelet::server::spdy {

//   control  |1|    version 3 (15)   |          type (16)          |
//            |  flags (8)  |             length (24)               |   then `length` bytes
//   data     |0|                  stream id (31)                   |
//            |  flags (8)  |             length (24)               |   then `length` bytes
inline constexpr size_t kFrameHead = 8;
inline constexpr size_t kMaxControl = 64 * 1024;  // of one control frame
inline constexpr size_t kMaxHeaders = 64 * 1024;  // of one header block, inflated
inline constexpr uint8_t kFin = 1;

// Names in lower case; several values of one name are parted by a zero byte.
using Headers = std::map<std::string, std::string>;

struct SynStream {
  uint32_t stream = 0;
  bool fin = false;
  Headers headers;
};
struct SynReply {
  uint32_t stream = 0;
  bool fin = false;
};
struct Reset {
  uint32_t stream = 0;
  uint32_t status = 0;
};
struct Ping {
  uint32_t id = 0;
};
struct GoAway {
  uint32_t last_stream = 0;
};
// A frame of data may be told in several pieces; only the last one has its `fin`.
struct Data {
  uint32_t stream = 0;
  bool fin = false;
  std::string bytes;
};
// SETTINGS, WINDOW_UPDATE, HEADERS of a known stream, and types to come, are read and passed over: the peers
// (moby/spdystream) neither open windows nor keep to them, so TCP alone holds senders back.
using Frame = std::variant<SynStream, SynReply, Reset, Ping, GoAway, Data>;

// One direction of one connection: header blocks share a zlib stream, so the order of calls is the order on
// the wire. One owner.
class Reader {
 public:
  Reader();
  ~Reader();
  // Takes bytes as they come and gives the frames that they complete. kInvalidArgument for what breaks the
  // protocol or a limit: the connection cannot go on.
  Result<std::vector<Frame>> feed(std::string_view bytes);

 private:
  Result<void> onControl(std::string_view frame, std::vector<Frame>& out);
  Result<Headers> inflate(std::string_view block);

  struct Inflater;
  std::unique_ptr<Inflater> inflater_;
  std::string pending_;     // an unfinished head or control frame
  uint32_t data_left_ = 0;  // of the data frame that goes on
  uint32_t data_stream_ = 0;
  bool data_fin_ = false;
};

class Writer {
 public:
  Writer();
  ~Writer();
  std::string synStream(uint32_t stream, const Headers& headers);  // what clients send; for tests
  std::string synReply(uint32_t stream, const Headers& headers);
  static std::string reset(uint32_t stream, uint32_t status);
  static std::string ping(uint32_t id);
  static std::string goAway(uint32_t last_stream);
  static std::string data(uint32_t stream, std::string_view bytes, bool fin);

 private:
  std::string deflate(const Headers& headers);
  struct Deflater;
  std::unique_ptr<Deflater> deflater_;
};

// Of RST_STREAM.
inline constexpr uint32_t kProtocolError = 1;
inline constexpr uint32_t kRefusedStream = 3;
inline constexpr uint32_t kCancel = 5;

// The dictionary of header blocks; for tests.
std::string_view dictionary();

}  // namespace keelson::kubelet::server::spdy
