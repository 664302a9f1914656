// Streams of bytes that are pulled piece by piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace keelson::runtime::images {

// One owner, one thread. The pieces of a layer flow through a chain of these: file or socket ->
// digest -> decompressor -> digest -> tar reader.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next piece, valid until the next call; empty means the end, and again so after that.
  virtual Result<std::string_view> next() = 0;
};

// Reads a descriptor that the caller keeps open. Waits on pipes and sockets until `stop`.
class FdSource : public ByteSource {
 public:
  FdSource(int fd, std::string name, Stop stop);
  Result<std::string_view> next() override;

 private:
  int fd_;
  std::string name_;
  Stop stop_;
  std::vector<char> buffer_;
};

// Passes bytes on, digesting and counting them; over `limit` bytes it is kResourceExhausted.
class DigestSource : public ByteSource {
 public:
  DigestSource(ByteSource& inner, std::string name, int64_t limit);
  Result<std::string_view> next() override;

  int64_t bytes() const { return bytes_; }
  // Reads what is left and gives "sha256:...". Call once, last.
  Result<std::string> finish();

 private:
  ByteSource& inner_;
  std::string name_;
  int64_t limit_;
  int64_t bytes_ = 0;
  Sha256 sha_;
};

// Two connected stream sockets: the fetcher's end and the unpacker's. A socket, not a pipe, because
// writing to it after the reader is gone can be an error instead of SIGPIPE.
struct StreamPair {
  UniqueFd writer;
  UniqueFd reader;
};
Result<StreamPair> makeStream();
// Blocks while the reader is slow. kCancelled when the reader is gone.
Result<void> sendAll(int fd, std::string_view bytes, Stop& stop);

}  // namespace keelson::runtime::images
