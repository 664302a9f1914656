#include "runtime/shim/message.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/fs.h"

namespace keelson::runtime::shim {
namespace {

union ControlBuffer {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxMessageDescriptors)];
};

// Owns every descriptor that came, whatever else is wrong with the message.
std::vector<UniqueFd> takeDescriptors(msghdr& message) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

}  // namespace

Result<std::optional<RawMessage>> receiveRaw(int socket) {
  // Its length first, so that no 64 KiB buffer stays behind in the shim's memory.
  const ssize_t size = recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<RawMessage>();
  if (size < 0) return makeError(Code::kUnavailable, "receive: {}", strerrorname_np(errno));
  if (size == 0) return makeError(Code::kUnavailable, "the peer has closed the connection");
  if (static_cast<size_t>(size) > kMaxMessageBytes)
    return makeError(Code::kDataLoss, "message of {} bytes", size);
  RawMessage raw;
  raw.bytes.resize(static_cast<size_t>(size));
  iovec piece{raw.bytes.data(), raw.bytes.size()};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return sysError("receive");
  raw.descriptors = takeDescriptors(message);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return makeError(Code::kDataLoss, "message with too many descriptors");
  return std::optional(std::move(raw));
}

Result<void> sendRaw(int socket, std::string_view bytes, std::span<const int> descriptors) {
  if (bytes.size() > kMaxMessageBytes || descriptors.size() > kMaxMessageDescriptors)
    return makeError(Code::kInvalidArgument, "message of {} bytes and {} descriptors", bytes.size(),
                     descriptors.size());
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
  const int err = errno;
  return Error{Code::kUnavailable, err, fmt::format("send: {}", strerrorname_np(err))};
}

Result<Message> unpackMessage(RawMessage raw) {
  MessageHeader header;
  if (raw.bytes.size() < sizeof header)
    return makeError(Code::kDataLoss, "message of {} bytes", raw.bytes.size());
  std::memcpy(&header, raw.bytes.data(), sizeof header);
  Message message;
  message.kind = static_cast<MessageKind>(header.kind);
  message.serial = header.serial;
  message.descriptors = std::move(raw.descriptors);
  if ((header.flags & kBodyInMemfd) == 0) {
    message.body = raw.bytes.substr(sizeof header);
    return message;
  }
  if (message.descriptors.empty()) return makeError(Code::kDataLoss, "message without its memfd");
  const UniqueFd memfd = std::move(message.descriptors.front());
  message.descriptors.erase(message.descriptors.begin());
  // Only a memfd, and a sealed one: reading must not wait and the content must not change.
  const int seals = fcntl(memfd.get(), F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_WRITE | F_SEAL_SHRINK;
  if (seals < 0 || (seals & kNeeded) != kNeeded)
    return makeError(Code::kDataLoss, "body is not a sealed memfd");
  struct stat status {};
  if (fstat(memfd.get(), &status) < 0) return sysError("stat memfd");
  if (status.st_size < 0 || static_cast<size_t>(status.st_size) > kMaxMemfdBodyBytes)
    return makeError(Code::kDataLoss, "body of {} bytes", status.st_size);
  message.body.resize(static_cast<size_t>(status.st_size));
  size_t have = 0;
  while (have < message.body.size()) {
    const ssize_t got =
        pread(memfd.get(), message.body.data() + have, message.body.size() - have, static_cast<off_t>(have));
    if (got <= 0) return makeError(Code::kDataLoss, "body ends early");
    have += static_cast<size_t>(got);
  }
  return message;
}

Result<void> sendMessage(int socket, MessageKind kind, uint32_t serial, std::string_view body,
                         std::span<const int> descriptors, bool memfd_always) {
  MessageHeader header;
  header.kind = static_cast<uint32_t>(kind);
  header.serial = serial;
  std::vector<int> all;
  UniqueFd memfd;
  const bool in_memfd = memfd_always || body.size() + sizeof header > kMaxMessageBytes;
  if (in_memfd) {
    memfd = TRY(sealedMemfd("keelson-answer", body));
    header.flags = kBodyInMemfd;
    all.push_back(memfd.get());
  }
  all.insert(all.end(), descriptors.begin(), descriptors.end());
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  if (!in_memfd) bytes += body;
  return sendRaw(socket, bytes, all);
}

}  // namespace keelson::runtime::shim
