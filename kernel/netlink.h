// One conversation with a netlink family of the kernel.
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/executor.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kernel {

constexpr int kOwnNetns = -1;                         // the namespace the process runs in
constexpr size_t kMaxNetlinkSend = size_t{64} << 20;  // one request or batch
constexpr size_t kNetlinkReceiveBuffer = size_t{4} << 20;

// Owns a bound netlink socket and its sequence numbers. The kernel handles a request inside
// sendmsg, so an answer is there at once; the deadline covers a kernel that loses one. Requests
// and answers alternate, so one object belongs to one thread at a time. A handle.
class NetlinkSocket {
 public:
  // `protocol` is NETLINK_ROUTE, NETLINK_NETFILTER, ... of netlink(7).
  static Result<NetlinkSocket> open(int protocol, int netns = kOwnNetns);

  int fd() const { return fd_.get(); }
  // Reserves `count` sequence numbers and returns the first.
  uint32_t sequences(uint32_t count);

  // One datagram to the kernel; raises the send buffer when it must. kResourceExhausted above
  // kMaxNetlinkSend.
  Result<void> send(std::string_view bytes);

  // What a handler of messages says.
  enum class Next { kMore, kDone };
  // Hands the messages that come in to `handler` until it says kDone. kDeadlineExceeded, kCancelled;
  // kResourceExhausted when the kernel dropped answers (ENOBUFS).
  Result<void> receive(const std::function<Result<Next>(const nlmsghdr&)>& handler, Stop& stop);

  // Sends `request` (its flags get NLM_F_REQUEST and NLM_F_DUMP, and a sequence number) and hands
  // over each answer up to NLMSG_DONE. An error answer becomes an Error with `what` in front. kUnavailable:
  // the kernel says the dump was interrupted by a change; ask again.
  Result<void> dump(std::string request, std::string_view what,
                    const std::function<Result<void>(const nlmsghdr&)>& handler, Stop& stop);
  // As dump for a request with one answer.
  Result<void> ask(std::string request, std::string_view what,
                   const std::function<Result<void>(const nlmsghdr&)>& handler, Stop& stop);

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  uint32_t next_ = 1;
};

// Calls `visit(const nlattr&)` for each attribute of the `size` bytes at `data` (the macros of
// libmnl for this are C, and not C++). Broken lengths end it.
template <class Visit>
void forEachAttribute(const void* data, size_t size, Visit&& visit) {
  const auto* at = static_cast<const char*>(data);
  while (size >= sizeof(nlattr)) {
    const auto* attribute = reinterpret_cast<const nlattr*>(at);
    const size_t length = attribute->nla_len;
    if (length < sizeof(nlattr) || length > size) return;
    visit(*attribute);
    const size_t step = NLA_ALIGN(length);
    if (step >= size) return;
    at += step;
    size -= step;
  }
}
// The attributes of a message, which follow `header` bytes after its nlmsghdr.
template <class Visit>
void forEachAttribute(const nlmsghdr& message, size_t header, Visit&& visit) {
  const size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header);
  if (message.nlmsg_len < skip) return;
  forEachAttribute(reinterpret_cast<const char*>(&message) + skip, message.nlmsg_len - skip,
                   std::forward<Visit>(visit));
}
template <class Visit>
void forEachNested(const nlattr& nest, Visit&& visit) {
  if (nest.nla_len < NLA_HDRLEN) return;
  forEachAttribute(reinterpret_cast<const char*>(&nest) + NLA_HDRLEN, size_t{nest.nla_len} - NLA_HDRLEN,
                   std::forward<Visit>(visit));
}

// The errno of an NLMSG_ERROR message (0: an acknowledgement).
int netlinkErrno(const nlmsghdr& message);

}  // namespace keelson::kernel
