#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

#include "base/fs.h"
#include "kernel/nft.h"

namespace keelson::kernel::nft {
namespace {

constexpr size_t kMaxGenerations = 1024;  // told by one drain(); more is "lost"

// Classic BPF sees the message from its nlmsghdr on and loads big-endian, while nlmsg_type is in
// the host's order.
Result<void> onlyNewGenerations(int fd) {
  const auto type = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(type), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, ~0u),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return sysError("attach filter");
  return {};
}

struct Made {
  std::optional<uint32_t> id;
  uint32_t pid = 0;
  std::string program;  // comm
};
Made generationOf(const nlmsghdr& message) {
  Made made;
  forEachAttribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    const uint16_t type = mnl_attr_get_type(&attribute);
    const bool number = mnl_attr_get_payload_len(&attribute) == sizeof(uint32_t);
    if (type == NFTA_GEN_ID && number) made.id = ntohl(mnl_attr_get_u32(&attribute));
    if (type == NFTA_GEN_PROC_PID && number) made.pid = ntohl(mnl_attr_get_u32(&attribute));
    if (type == NFTA_GEN_PROC_NAME && mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) >= 0)
      made.program = mnl_attr_get_str(&attribute);
  });
  return made;
}

// The kernel names the thread that committed. Inside a pid namespace its number means nothing to us, and our
// own commits are told as others'.
bool isOwn(const Made& made) {
  constexpr size_t kMaxComm = 64;
  if (made.pid == 0) return false;
  const auto name = readFile(fmt::format("/proc/self/task/{}/comm", made.pid), kMaxComm);
  return name.ok() && *name == made.program + "\n";
}

}  // namespace

Result<NftWatch> NftWatch::open(int netns) {
  auto socket = TRY_CTX(NetlinkSocket::open(NETLINK_NETFILTER, netns), "watch nftables");
  TRY_CTX(onlyNewGenerations(socket.fd()), "watch nftables");
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(socket.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    return sysError("watch nftables: join the group");
  if (::fcntl(socket.fd(), F_SETFL, O_NONBLOCK) != 0) return sysError("watch nftables");
  return NftWatch(std::move(socket));
}

NftWatch::Changes NftWatch::drain() {
  Changes changes;
  alignas(nlmsghdr) char buffer[4096];
  for (size_t reads = 0; reads < kMaxGenerations; ++reads) {
    const ssize_t n = ::recv(socket_.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return changes;
    if (n < 0) {
      changes.lost = true;  // ENOBUFS is told once and cleared by that
      if (errno != ENOBUFS) return changes;
      continue;
    }
    auto left = static_cast<unsigned>(n);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      const auto made = generationOf(*message);
      if (made.id && !isOwn(made)) changes.generations.push_back(*made.id);
    }
  }
  changes.lost = true;
  return changes;
}

}  // namespace keelson::kernel::nft
