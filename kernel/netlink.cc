#include "kernel/netlink.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "kernel/netns.h"

namespace keelson::kernel {
namespace {

constexpr size_t kReceiveSize = size_t{256} << 10;    // above the kernel's largest dump datagram
constexpr std::chrono::milliseconds kPollSlice{200};  // how late a cancel may be noticed

// The FORCE form needs CAP_NET_ADMIN; without it the plain one takes what net.core.*mem_max allows.
void setBuffer(int fd, int force, int plain, size_t size) {
  const int value = static_cast<int>(size);
  if (::setsockopt(fd, SOL_SOCKET, force, &value, sizeof value) != 0)
    ::setsockopt(fd, SOL_SOCKET, plain, &value, sizeof value);
}

Result<void> waitReadable(int fd, Stop& stop) {
  for (;;) {
    TRY(stop.check("netlink answer"));
    pollfd poll{fd, POLLIN, 0};
    const int n = ::poll(&poll, 1, static_cast<int>(std::min(stop.remaining(), kPollSlice).count()));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return sysError("poll netlink");
  }
}

}  // namespace

int netlinkErrno(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(int))) return EBADMSG;
  int error = 0;
  std::memcpy(&error, NLMSG_DATA(&message), sizeof error);
  return -error;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, int netns) {
  UniqueFd fd;
  if (netns == kOwnNetns) {
    fd = UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) return sysError("netlink socket");
  } else {
    fd = TRY_CTX(openSocket(netns, AF_NETLINK, SOCK_RAW, protocol), "netlink socket");
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return sysError("bind netlink");
  // Errors then come with the offset of the attribute at fault, and without a copy of the request.
  const int on = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, kNetlinkReceiveBuffer);
  return NetlinkSocket(std::move(fd));
}

uint32_t NetlinkSocket::sequences(uint32_t count) {
  const uint32_t first = next_;
  next_ += count;
  return first;
}

Result<void> NetlinkSocket::send(std::string_view bytes) {
  if (bytes.size() > kMaxNetlinkSend)
    return makeError(Code::kResourceExhausted, "netlink request of {} bytes is above {}", bytes.size(),
                     kMaxNetlinkSend);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (bool raised = false;;) {
    const ssize_t n = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                               sizeof kernel);
    if (n == static_cast<ssize_t>(bytes.size())) return {};
    if (n >= 0) return makeError(Code::kInternal, "netlink took {} of {} bytes", n, bytes.size());
    if (errno == EINTR) continue;
    if (errno != EMSGSIZE || raised) return sysError("send {} bytes to netlink", bytes.size());
    setBuffer(fd_.get(), SO_SNDBUFFORCE, SO_SNDBUF, bytes.size() + 4096);
    raised = true;
  }
}

Result<void> NetlinkSocket::receive(const std::function<Result<Next>(const nlmsghdr&)>& handler, Stop& stop) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kReceiveSize);
  for (;;) {
    TRY(waitReadable(fd_.get(), stop));
    const ssize_t n = ::recv(fd_.get(), buffer.get(), kReceiveSize, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == ENOBUFS) return makeError(Code::kResourceExhausted, "netlink dropped answers (ENOBUFS)");
      return sysError("receive from netlink");
    }
    if (static_cast<size_t>(n) > kReceiveSize)
      return makeError(Code::kResourceExhausted, "netlink answer of {} bytes is above {}", n, kReceiveSize);
    auto left = static_cast<unsigned>(n);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.get()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (TRY(handler(*message)) == Next::kDone) return {};
    }
  }
}

Result<void> NetlinkSocket::dump(std::string request, std::string_view what,
                                 const std::function<Result<void>(const nlmsghdr&)>& handler, Stop& stop) {
  auto* header = reinterpret_cast<nlmsghdr*>(request.data());
  const uint32_t sequence = sequences(1);
  header->nlmsg_seq = sequence;
  header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
  TRY_CTX(send(request), "{}", what);
  bool interrupted = false;
  Result<void> failed;  // the dump is read to its end all the same, or its rest would answer the next request
  const auto one = [&](const nlmsghdr& message) -> Result<Next> {
    if (message.nlmsg_seq != sequence) return Next::kMore;
    interrupted |= (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (message.nlmsg_type == NLMSG_DONE) return Next::kDone;
    if (message.nlmsg_type == NLMSG_ERROR) {
      if (const int error = netlinkErrno(message)) return errnoError(error, what);
      return Next::kDone;
    }
    if (failed) failed = handler(message);
    return Next::kMore;
  };
  TRY(receive(one, stop));
  if (interrupted) return makeError(Code::kUnavailable, "{}: changed meanwhile", what);
  return failed;
}

Result<void> NetlinkSocket::ask(std::string request, std::string_view what,
                                const std::function<Result<void>(const nlmsghdr&)>& handler, Stop& stop) {
  auto* header = reinterpret_cast<nlmsghdr*>(request.data());
  const uint32_t sequence = sequences(1);
  header->nlmsg_seq = sequence;
  header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  TRY_CTX(send(request), "{}", what);
  Result<void> failed;
  const auto one = [&](const nlmsghdr& message) -> Result<Next> {
    if (message.nlmsg_seq != sequence) return Next::kMore;
    if (message.nlmsg_type == NLMSG_ERROR) {
      if (const int error = netlinkErrno(message)) return errnoError(error, what);
      return Next::kDone;
    }
    if (failed) failed = handler(message);
    return Next::kMore;
  };
  TRY(receive(one, stop));
  return failed;
}

}  // namespace keelson::kernel
