#include "runtime/shim/log_writer.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>

#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr int kPipeBytes = 256 * 1024;  // best effort: room for bursts while the disk is busy
constexpr size_t kQuietBytes = 4096;    // smaller reads touch one page only
// After a container's end its pipes close as soon as the killed processes are gone; one that hangs in the
// kernel must not keep the exit secret.
constexpr Duration kDrainTime = std::chrono::seconds(2);

}  // namespace

void LogWriter::run() {
  prctl(PR_SET_NAME, "keelson-log", 0, 0, 0);
  auto poller = Poller::create();
  buffer_ = static_cast<char*>(
      mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (!poller || buffer_ == MAP_FAILED) _exit(1);
  poller_ = std::move(poller).value();
  auto watch = poller_->watch(socket_.get(), EPOLLIN, [this](uint32_t) { onSocket(); });
  if (!watch) _exit(1);
  socket_watch_ = std::move(watch).value();
  for (;;) {
    const SteadyTime now = realClock().steady();
    finishDrained(now);
    if (shim_gone_ && logs_.empty()) _exit(0);
    // Buffers are given back as soon as nothing is ready.
    const int ready = poller_->wait(buffers_used_ ? now : nextDeadline(), now);
    if (ready == 0) releaseBuffers();
  }
}

void LogWriter::onSocket() {
  auto raw = receiveRaw(socket_.get());
  if (raw && *raw) return obey(std::move(**raw));
  if (raw) return;
  shim_gone_ = true;
  socket_watch_.reset();
  for (auto& [slot, log] : logs_) startDrain(*log);
}

void LogWriter::obey(RawMessage raw) {
  auto command = decodeWire<LogCommand>(raw.bytes);
  if (!command) return;
  if (command->verb == LogVerb::kAdd) return add(*command, std::move(raw.descriptors));
  const auto found = logs_.find(command->slot);
  if (command->verb == LogVerb::kDrain && found != logs_.end()) startDrain(*found->second);
}

void LogWriter::add(const LogCommand& command, std::vector<UniqueFd> descriptors) {
  if (descriptors.size() < 2 || descriptors.size() > 3) return;
  auto log = std::make_unique<Log>();
  log->slot = command.slot;
  log->tty = command.tty;
  auto file = LogFile::open(DirFd(std::move(descriptors[0])), command.log_name, limits_);
  if (file) log->file.emplace(std::move(file).value());
  if (log->tty)
    log->tty_slave = UniqueFd(ioctl(descriptors[1].get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  addStream(*log, std::move(descriptors[1]), LogStream::kStdout);
  if (descriptors.size() == 3) addStream(*log, std::move(descriptors[2]), LogStream::kStderr);
  logs_[command.slot] = std::move(log);
}

void LogWriter::addStream(Log& log, UniqueFd fd, LogStream kind) {
  if (!log.tty) fcntl(fd.get(), F_SETPIPE_SZ, kPipeBytes);
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) return;
  auto stream = std::make_unique<Stream>();
  stream->fd = std::move(fd);
  stream->kind = kind;
  auto watch = poller_->watch(stream->fd.get(), EPOLLIN,
                              [this, &log, raw = stream.get()](uint32_t) { pump(log, *raw); });
  if (!watch) return;
  stream->watch = std::move(watch).value();
  log.streams.push_back(std::move(stream));
}

bool LogWriter::pump(Log& log, Stream& stream) {
  const ssize_t got = read(stream.fd.get(), buffer_, kReadBytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {  // end of the pipe, or EIO: the terminal hung up
    endStream(log, &stream);
    return false;
  }
  if (static_cast<size_t>(got) > kQuietBytes) buffers_used_ = true;
  emit(log, stream, {buffer_, static_cast<size_t>(got)}, false);
  return true;
}

void LogWriter::emit(Log& log, Stream& stream, std::string_view data, bool at_end) {
  const WallTime now = realClock().wall();
  const std::string full = criPrefix(now, stream.kind, false), partial = criPrefix(now, stream.kind, true);
  const auto line = [&](std::string_view head, std::string_view tail, bool is_partial) {
    if (log.file) log.file->append(is_partial ? partial : full, head, tail, now);
    if (!log.file) ++log.dropped;
  };
  stream.splitter.feed(data, line);
  if (at_end) stream.splitter.finish(line);
  if (log.file) log.file->flush();
}

void LogWriter::endStream(Log& log, Stream* stream) {
  emit(log, *stream, {}, true);
  std::erase_if(log.streams, [&](const auto& each) { return each.get() == stream; });
}

void LogWriter::startDrain(Log& log) {
  if (!log.drain_deadline) log.drain_deadline = realClock().steady() + kDrainTime;
}

bool LogWriter::drained(const Log& log, SteadyTime now) const {
  if (!log.drain_deadline) return false;
  // A terminal has no end that all of its writers' ends make: what is there when they were killed is all.
  return log.streams.empty() || log.tty || now >= *log.drain_deadline;
}

void LogWriter::finishDrained(SteadyTime now) {
  for (auto next = logs_.begin(); next != logs_.end();) {
    const auto current = next++;
    Log& log = *current->second;
    if (!drained(log, now)) continue;
    // What is in the pipes still, bounded by what they can hold: their writers may live on and go on writing.
    for (size_t i = log.streams.size(); i-- > 0;) {
      Stream& stream = *log.streams[i];
      for (size_t reads = 0; reads < kPipeBytes / 4096 && pump(log, stream); ++reads) {
      }
    }
    while (!log.streams.empty()) endStream(log, log.streams.back().get());
    answerDrained(log);
    logs_.erase(current);
  }
}

void LogWriter::answerDrained(Log& log) {
  if (shim_gone_) return;
  LogDrained answer;
  answer.slot = log.slot;
  answer.dropped_lines = log.dropped + (log.file ? log.file->droppedLines() : 0);
  // An answer that does not fit now is not missed for ever: the shim stops waiting after a while.
  [[maybe_unused]] auto sent = sendRaw(socket_.get(), encodeWire(answer), {});
}

std::optional<SteadyTime> LogWriter::nextDeadline() const {
  std::optional<SteadyTime> next;
  for (const auto& [slot, log] : logs_) next = earlier(next, log->drain_deadline);
  return next;
}

void LogWriter::releaseBuffers() {
  if (!buffers_used_) return;
  madvise(buffer_, kReadBytes, MADV_DONTNEED);
  for (auto& [slot, log] : logs_)
    if (log->file) log->file->releaseBuffer();
  buffers_used_ = false;
}

}  // namespace keelson::runtime::shim
