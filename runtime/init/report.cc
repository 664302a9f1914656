#include "runtime/init/report.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "runtime/shim_protocol.h"
#include "runtime/wire.h"

namespace keelson::runtime::init {
namespace {

// One message: a tag, then for kError the fields of WireError.
enum Tag : char { kTerminal = 't', kSuccessor = 's', kAboutToExec = 'x', kError = 'e' };

constexpr size_t kMaxReportBytes = 4096;
constexpr size_t kMaxErrorText = 2048;

}  // namespace

void sendInitError(int channel, const Error& error) {
  WireError wire = toWireError(error);
  if (wire.text.size() > kMaxErrorText) wire.text.resize(kMaxErrorText);
  const std::string message = std::string(1, kError) + encodeWire(wire);
  // Nobody is left to hear of a failure here; the shim then sees a child that died before execve.
  [[maybe_unused]] const ssize_t sent = write(channel, message.data(), message.size());
}

void sendAboutToExec(int channel) {
  const char tag = kAboutToExec;
  [[maybe_unused]] const ssize_t sent = write(channel, &tag, sizeof tag);
}

Result<void> sendTerminal(int channel, int master) {
  char tag = kTerminal;
  iovec piece{&tag, sizeof tag};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof master);
  std::memcpy(CMSG_DATA(header), &master, sizeof master);
  if (sendmsg(channel, &message, MSG_NOSIGNAL) < 0) return sysError("send terminal to the shim");
  return {};
}

Result<void> sendSuccessor(int channel, pid_t pid) {
  std::array<char, 1 + sizeof pid> bytes{kSuccessor};
  std::memcpy(bytes.data() + 1, &pid, sizeof pid);
  if (write(channel, bytes.data(), bytes.size()) < 0) return sysError("send successor to the shim");
  return {};
}

bool InitReport::advance() {
  std::array<char, kMaxReportBytes> buffer;
  while (!finished_) {
    iovec piece{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(channel_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
      finished_ = true;
      break;
    }
    pid_t from = 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET) continue;
      if (header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        terminal_ = UniqueFd(fd);
      } else if (header->cmsg_type == SCM_CREDENTIALS && header->cmsg_len == CMSG_LEN(sizeof(ucred))) {
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
        from = sender.pid;
      }
    }
    if (buffer[0] == kSuccessor && from == sender_ && got == 1 + static_cast<ssize_t>(sizeof successor_))
      std::memcpy(&successor_, buffer.data() + 1, sizeof successor_);
    if (buffer[0] == kAboutToExec) about_to_exec_ = true;
    if (buffer[0] == kError) {
      auto wire = decodeWire<WireError>({buffer.data() + 1, static_cast<size_t>(got) - 1});
      error_ = wire ? fromWireError(std::move(wire).value()) : std::move(wire).error();
    }
  }
  return true;
}

Result<void> InitReport::outcome() const {
  if (error_) return *error_;
  if (!about_to_exec_) return makeError(Code::kInternal, "container init died before execve");
  return {};
}

}  // namespace keelson::runtime::init
