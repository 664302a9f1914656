#include "runtime/packet.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "runtime/shim_protocol.h"

namespace keelson::runtime {
namespace {

constexpr std::chrono::milliseconds kCancelSlice{50};

union ControlBuffer {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxMessageDescriptors)];
};

// Every descriptor of the message gets an owner, whatever else is wrong with it.
std::vector<UniqueFd> takeDescriptors(msghdr& message) {
  std::vector<UniqueFd> out;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      out.emplace_back(fd);
    }
  }
  return out;
}

Error gone() { return makeError(Code::kUnavailable, "the peer closed the connection"); }

bool isGone(int err) { return err == EPIPE || err == ECONNRESET || err == ENOTCONN; }

}  // namespace

Result<void> waitFor(int fd, short events, std::string_view what, Stop& stop) {
  for (;;) {
    TRY(stop.check(what));
    pollfd poll_fd{fd, events, 0};
    const auto slice = std::min<std::chrono::milliseconds>(stop.remaining(), kCancelSlice);
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(slice.count()));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return sysError("poll");
  }
}

Result<void> sendPacket(int socket, std::string_view bytes, const std::vector<int>& descriptors, Stop& stop) {
  if (bytes.size() > kMaxMessageBytes || descriptors.size() > kMaxMessageDescriptors) {
    return makeError(Code::kInvalidArgument, "message of {} bytes and {} descriptors is too large",
                     bytes.size(), descriptors.size());
  }
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno == EINTR) continue;
    if (isGone(errno)) return gone();
    if (errno != EAGAIN) return sysError("send");
    TRY(waitFor(socket, POLLOUT, "send", stop));
  }
}

Result<Packet> receivePacket(int socket, Stop& stop) {
  Packet packet;
  packet.bytes.resize(kMaxMessageBytes);
  for (;;) {
    TRY(waitFor(socket, POLLIN, "receive", stop));
    iovec part{packet.bytes.data(), packet.bytes.size()};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0 && isGone(errno)) return gone();
    if (size < 0) return sysError("receive");
    packet.descriptors = takeDescriptors(message);
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
      return makeError(Code::kDataLoss, "a message is beyond its limits");
    }
    if (size == 0) return gone();
    packet.bytes.resize(static_cast<size_t>(size));
    return packet;
  }
}

}  // namespace keelson::runtime
