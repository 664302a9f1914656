#include "kubelet/server/spdy_frames.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace keelson::kubelet::server::spdy {
namespace {

enum Type : uint16_t { kSynStream = 1, kSynReply = 2, kReset = 3, kPing = 6, kGoAway = 7, kHeaders = 8 };
constexpr uint16_t kVersion = 3;
constexpr size_t kMaxPairs = 256;

uint32_t number(std::string_view bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void append(std::string& to, uint32_t value, size_t size) {
  for (size_t i = size; i-- > 0;) to += static_cast<char>(value >> (8 * i) & 0xff);
}

std::string control(Type type, uint8_t flags, std::string_view body) {
  std::string frame;
  append(frame, 0x8000u | kVersion, 2);
  append(frame, type, 2);
  append(frame, flags, 1);
  append(frame, static_cast<uint32_t>(body.size()), 3);
  return frame.append(body);
}

std::string numbers(std::initializer_list<uint32_t> values) {
  std::string bytes;
  for (const uint32_t value : values) append(bytes, value, 4);
  return bytes;
}

Error broken(std::string_view what) { return makeError(Code::kInvalidArgument, "SPDY: {}", what); }

// A header block inflated: count, then length and text of each name and value.
Result<Headers> parseHeaders(std::string_view block) {
  size_t at = 0;
  const auto text = [&]() -> Result<std::string_view> {
    if (block.size() - at < 4) return broken("a header block ends too early");
    const uint32_t size = number(block, at, 4);
    at += 4;
    if (block.size() - at < size) return broken("a header block ends too early");
    at += size;
    return block.substr(at - size, size);
  };
  if (block.size() < 4) return broken("a header block ends too early");
  const uint32_t count = number(block, 0, 4);
  at = 4;
  if (count > kMaxPairs) return broken("too many headers");
  Headers headers;
  for (uint32_t i = 0; i < count; ++i) {
    std::string name(TRY(text()));
    const std::string_view value = TRY(text());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (name.empty()) return broken("a header without a name");
    headers.insert_or_assign(std::move(name), std::string(value));
  }
  return headers;
}

Bytef* bytesOf(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

}  // namespace

// ---- in ----

struct Reader::Inflater {
  z_stream stream{};
  bool ready = ::inflateInit(&stream) == Z_OK;
  ~Inflater() { ::inflateEnd(&stream); }
};

Reader::Reader() : inflater_(std::make_unique<Inflater>()) {}
Reader::~Reader() = default;

Result<Headers> Reader::inflate(std::string_view block) {
  if (!inflater_->ready) return makeError(Code::kResourceExhausted, "SPDY: no memory for zlib");
  z_stream& stream = inflater_->stream;
  stream.next_in = bytesOf(block);
  stream.avail_in = static_cast<uInt>(block.size());
  std::string text;
  std::array<char, 4096> piece;
  do {
    stream.next_out = bytesOf({piece.data(), piece.size()});
    stream.avail_out = piece.size();
    int result = ::inflate(&stream, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT) {
      const auto words = dictionary();
      result = ::inflateSetDictionary(&stream, bytesOf(words), static_cast<uInt>(words.size()));
      if (result == Z_OK) result = ::inflate(&stream, Z_SYNC_FLUSH);
    }
    if (result != Z_OK && result != Z_BUF_ERROR) return broken("a header block is not zlib's");
    text.append(piece.data(), piece.size() - stream.avail_out);
    if (text.size() > kMaxHeaders) return broken("a header block is too large");
    if (result == Z_BUF_ERROR) break;
  } while (stream.avail_in > 0 || stream.avail_out == 0);
  if (stream.avail_in > 0) return broken("a header block has bytes left over");
  return parseHeaders(text);
}

Result<void> Reader::onControl(std::string_view frame, std::vector<Frame>& out) {
  if (number(frame, 0, 2) != (0x8000u | kVersion)) return broken("a control frame of another version");
  const uint32_t type = number(frame, 2, 2);
  const bool fin = (frame[4] & kFin) != 0;
  const std::string_view body = frame.substr(kFrameHead);
  const size_t least = type == kSynStream                                       ? 10
                       : type == kReset || type == kGoAway                      ? 8
                       : type == kSynReply || type == kPing || type == kHeaders ? 4
                                                                                : 0;
  if (body.size() < least) return broken("a control frame is too short");
  const uint32_t first = least == 0 ? 0 : number(body, 0, 4);
  const uint32_t stream = first & 0x7fffffffu;
  switch (type) {
    case kSynStream:
      out.emplace_back(SynStream{stream, fin, TRY(inflate(body.substr(10)))});
      break;
    case kSynReply:
      TRY(inflate(body.substr(4)));
      out.emplace_back(SynReply{stream, fin});
      break;
    case kHeaders:
      TRY(inflate(body.substr(4)));  // later blocks build on it
      break;
    case kReset:
      out.emplace_back(Reset{stream, number(body, 4, 4)});
      break;
    case kPing:
      out.emplace_back(Ping{first});
      break;
    case kGoAway:
      out.emplace_back(GoAway{stream});
      break;
    default:
      break;
  }
  return {};
}

Result<std::vector<Frame>> Reader::feed(std::string_view bytes) {
  std::vector<Frame> frames;
  while (!bytes.empty()) {
    if (data_left_ > 0) {
      const size_t size = std::min<size_t>(data_left_, bytes.size());
      data_left_ -= static_cast<uint32_t>(size);
      frames.emplace_back(
          Data{data_stream_, data_fin_ && data_left_ == 0, std::string(bytes.substr(0, size))});
      bytes.remove_prefix(size);
      continue;
    }
    const auto take = [&](size_t want) {
      const size_t size = std::min(bytes.size(), want - std::min(want, pending_.size()));
      pending_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      return pending_.size() >= want;
    };
    if (!take(kFrameHead)) break;
    const uint32_t length = number(pending_, 5, 3);
    if ((pending_[0] & 0x80) != 0) {
      if (length > kMaxControl) return broken("a control frame is too large");
      if (!take(kFrameHead + length)) break;
      TRY(onControl(pending_, frames));
      pending_.clear();
      continue;
    }
    data_stream_ = number(pending_, 0, 4);
    data_fin_ = (pending_[4] & kFin) != 0;
    data_left_ = length;
    pending_.clear();
    if (length == 0) frames.emplace_back(Data{data_stream_, data_fin_, ""});
  }
  return frames;
}

// ---- out ----

struct Writer::Deflater {
  z_stream stream{};
  Deflater() {
    ::deflateInit(&stream, Z_BEST_COMPRESSION);
    const auto words = dictionary();
    ::deflateSetDictionary(&stream, bytesOf(words), static_cast<uInt>(words.size()));
  }
  ~Deflater() { ::deflateEnd(&stream); }
};

Writer::Writer() : deflater_(std::make_unique<Deflater>()) {}
Writer::~Writer() = default;

std::string Writer::deflate(const Headers& headers) {
  std::string text;
  append(text, static_cast<uint32_t>(headers.size()), 4);
  for (const auto& [name, value] : headers) {
    append(text, static_cast<uint32_t>(name.size()), 4);
    text += name;
    append(text, static_cast<uint32_t>(value.size()), 4);
    text += value;
  }
  z_stream& stream = deflater_->stream;
  stream.next_in = bytesOf(text);
  stream.avail_in = static_cast<uInt>(text.size());
  std::string block;
  std::array<char, 1024> piece;
  do {
    stream.next_out = bytesOf({piece.data(), piece.size()});
    stream.avail_out = piece.size();
    ::deflate(&stream, Z_SYNC_FLUSH);
    block.append(piece.data(), piece.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  return block;
}

std::string Writer::synStream(uint32_t stream, const Headers& headers) {
  std::string body = numbers({stream, 0});
  append(body, 0, 2);  // priority and slot
  return control(kSynStream, 0, body + deflate(headers));
}

std::string Writer::synReply(uint32_t stream, const Headers& headers) {
  return control(kSynReply, 0, numbers({stream}) + deflate(headers));
}

std::string Writer::reset(uint32_t stream, uint32_t status) {
  return control(kReset, 0, numbers({stream, status}));
}
std::string Writer::ping(uint32_t id) { return control(kPing, 0, numbers({id})); }
std::string Writer::goAway(uint32_t last_stream) { return control(kGoAway, 0, numbers({last_stream, 0})); }

std::string Writer::data(uint32_t stream, std::string_view bytes, bool fin) {
  std::string frame = numbers({stream});
  frame.reserve(kFrameHead + bytes.size());
  append(frame, fin ? kFin : 0u, 1);
  append(frame, static_cast<uint32_t>(bytes.size()), 3);
  return frame.append(bytes);
}

}  // namespace keelson::kubelet::server::spdy
