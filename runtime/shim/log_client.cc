#include "runtime/shim/log_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <climits>

#include "kernel/pidfd.h"
#include "runtime/shim/log_writer.h"
#include "runtime/shim/message.h"
#include "runtime/shim/syscalls.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

constexpr Duration kDrainPatience = std::chrono::seconds(4);  // longer than the writer's own limit
constexpr Duration kRestartPause = std::chrono::seconds(1);  // between two starts: a writer that dies at once

// In the child: nothing but the socket stays open.
[[noreturn]] void becomeWriter(int socket, LogLimits limits) {
  constexpr int kSocket = 3;
  if (socket != kSocket && dup3(socket, kSocket, O_CLOEXEC) < 0) _exit(1);
  close_range(kSocket + 1, UINT_MAX, 0);
  LogWriter writer{UniqueFd(kSocket), limits};
  writer.run();
}

}  // namespace

Result<void> LogClient::start() { return startWriter(); }

Result<void> LogClient::startWriter() {
  restart_at_.reset();
  started_ = realClock().steady();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return sysError("socketpair");
  UniqueFd ours(ends[0]), writers(ends[1]);
  const pid_t pid = cloneProcess(0);
  if (pid < 0) return sysError("clone3");
  if (pid == 0) becomeWriter(writers.get(), limits_);
  writer_ = pid;
  socket_ = std::move(ours);
  watch_ = TRY(poller_.watch(socket_.get(), EPOLLIN, [this](uint32_t events) { onSocket(events); }));
  for (auto& [slot, entry] : entries_) entry.added = entry.drain_sent = entry.failed = false;
  sync();
  return {};
}

uint64_t LogClient::add(LogSource source) {
  const uint64_t slot = next_slot_++;
  entries_[slot].source = std::move(source);
  sync();
  return slot;
}

void LogClient::drain(uint64_t slot, Drained done) {
  const auto found = entries_.find(slot);
  if (found == entries_.end()) return done(0);
  found->second.done = std::move(done);
  found->second.deadline = realClock().steady() + kDrainPatience;
  sync();
}

bool LogClient::sendAdd(uint64_t slot, Entry& entry) {
  LogCommand command{LogVerb::kAdd, slot, entry.source.log_name, entry.source.tty};
  std::vector<int> descriptors{entry.source.directory.get(), entry.source.out.get()};
  if (entry.source.err) descriptors.push_back(entry.source.err.get());
  return send(entry, command, descriptors, entry.added);
}

bool LogClient::send(Entry& entry, const LogCommand& command, const std::vector<int>& descriptors,
                     bool& sent) {
  auto done = sendRaw(socket_.get(), encodeWire(command), descriptors);
  sent = done.ok();
  if (sent) return true;
  if (done.error().sys == EAGAIN) return false;
  // The socket's fault shows as its hang-up. What is wrong with this entry would stay wrong: its drain ends
  // by the deadline, and a new writer is told again.
  entry.failed = true;
  return true;
}

void LogClient::sync() {
  if (!socket_) return;
  bool all = true;
  for (auto& [slot, entry] : entries_) {
    if (entry.failed) continue;
    if (!entry.added) all = sendAdd(slot, entry);
    if (all && entry.added && entry.done && !entry.drain_sent)
      all = send(entry, LogCommand{LogVerb::kDrain, slot, {}, false}, {}, entry.drain_sent);
    if (!all) break;
  }
  watch_.setEvents(all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void LogClient::onSocket(uint32_t events) {
  if ((events & EPOLLOUT) != 0) sync();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  auto raw = receiveRaw(socket_.get());
  if (!raw) {
    // It has died; onExit() follows.
    watch_.reset();
    socket_.reset();
    return;
  }
  if (!*raw) return;
  auto drained = decodeWire<LogDrained>((*raw)->bytes);
  if (drained) finish(drained->slot, drained->dropped_lines);
}

void LogClient::finish(uint64_t slot, uint64_t dropped_lines) {
  auto node = entries_.extract(slot);
  if (!node.empty() && node.mapped().done) node.mapped().done(dropped_lines);
}

bool LogClient::onExit(pid_t pid) {
  if (pid != writer_) return false;
  writer_ = -1;
  watch_.reset();
  socket_.reset();
  restart_at_ = std::max(realClock().steady(), started_ + kRestartPause);
  return true;
}

std::optional<SteadyTime> LogClient::nextDeadline() const {
  std::optional<SteadyTime> next = restart_at_;
  for (const auto& [slot, entry] : entries_)
    if (entry.done) next = earlier(next, entry.deadline);
  return next;
}

void LogClient::onTime(SteadyTime now) {
  if (restart_at_ && *restart_at_ <= now && !startWriter()) restart_at_ = now + kRestartPause;
  for (auto next = entries_.begin(); next != entries_.end();) {
    const auto current = next++;
    if (current->second.done && current->second.deadline <= now) finish(current->first, 0);
  }
}

void LogClient::stop(Duration patience) {
  watch_.reset();
  socket_.reset();
  if (writer_ < 0) return;
  auto process = kernel::Pidfd::open(writer_);
  if (!process || process->waitEnd(patience)) return;
  [[maybe_unused]] auto killed = process->signal(SIGKILL);
}

}  // namespace keelson::runtime::shim
