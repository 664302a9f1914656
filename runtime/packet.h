// Messages with descriptors over SOCK_SEQPACKET sockets, within a deadline.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::runtime {

struct Packet {
  std::string bytes;
  std::vector<UniqueFd> descriptors;
};

// One message, `descriptors` by SCM_RIGHTS (unix(7)); the socket is non-blocking. kInvalidArgument beyond the
// limits of shim_protocol.h, kUnavailable when the peer is gone, kDeadlineExceeded, kCancelled.
Result<void> sendPacket(int socket, std::string_view bytes, const std::vector<int>& descriptors, Stop& stop);

// The next message; its descriptors are close-on-exec. kUnavailable when the peer is gone, kDataLoss when
// the message does not fit the limits.
Result<Packet> receivePacket(int socket, Stop& stop);

// poll(2) of one descriptor for `events`, in slices so that a cancel is seen. kDeadlineExceeded, kCancelled.
Result<void> waitFor(int fd, short events, std::string_view what, Stop& stop);

}  // namespace keelson::runtime
