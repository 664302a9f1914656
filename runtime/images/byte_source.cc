#include "runtime/images/byte_source.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace keelson::runtime::images {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr int kSocketBytes = 1 << 20;
constexpr int kPollSlice = 100;  // ms between two looks at the stop flag

// Waits for `events`; ends with an error when `stop` does.
Result<void> waitFor(int fd, short events, std::string_view what, Stop& stop) {
  while (true) {
    TRY(stop.check(what));
    pollfd entry{fd, events, 0};
    const auto slice = std::min<int64_t>(kPollSlice, stop.remaining().count() + 1);
    const int ready = poll(&entry, 1, static_cast<int>(slice));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return sysError("wait for {}", what);
  }
}

}  // namespace

FdSource::FdSource(int fd, std::string name, Stop stop)
    : fd_(fd), name_(std::move(name)), stop_(std::move(stop)), buffer_(kPieceBytes) {}

Result<std::string_view> FdSource::next() {
  TRY(stop_.check(name_));
  while (true) {
    // poll(2) says "readable" for regular files at once; a blocking read on a pipe could not be stopped.
    TRY(waitFor(fd_, POLLIN, name_, stop_));
    const ssize_t got = read(fd_, buffer_.data(), buffer_.size());
    if (got >= 0) return std::string_view(buffer_.data(), static_cast<size_t>(got));
    if (errno != EINTR && errno != EAGAIN) return sysError("read {}", name_);
  }
}

DigestSource::DigestSource(ByteSource& inner, std::string name, int64_t limit)
    : inner_(inner), name_(std::move(name)), limit_(limit) {}

Result<std::string_view> DigestSource::next() {
  const auto piece = TRY(inner_.next());
  bytes_ += static_cast<int64_t>(piece.size());
  if (bytes_ > limit_)
    return makeError(Code::kResourceExhausted, "{} is larger than its limit of {} bytes", name_, limit_);
  sha_.update(piece);
  return piece;
}

Result<std::string> DigestSource::finish() {
  while (!TRY(next()).empty()) {
  }
  return "sha256:" + sha_.finishHex();
}

Result<StreamPair> makeStream() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return sysError("make a stream");
  StreamPair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // A larger buffer lets fetching and unpacking overlap; without the privilege the default does too.
  setsockopt(pair.writer.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof kSocketBytes);
  return pair;
}

Result<void> sendAll(int fd, std::string_view bytes, Stop& stop) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      TRY(waitFor(fd, POLLOUT, "the unpacker", stop));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return makeError(Code::kCancelled, "the unpacker stopped");
    } else if (errno != EINTR) {
      return sysError("send to the unpacker");
    }
  }
  return {};
}

}  // namespace keelson::runtime::images
