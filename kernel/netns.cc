#include "kernel/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <system_error>
#include <thread>

namespace keelson::kernel {

Result<UniqueFd> openSocket(int netns, int family, int type, int protocol) {
  Result<UniqueFd> opened = UniqueFd();
  const auto enterAndOpen = [&] {
    if (setns(netns, CLONE_NEWNET) != 0) {
      opened = sysError("enter network namespace");
      return;
    }
    UniqueFd fd(socket(family, type | SOCK_CLOEXEC, protocol));
    if (fd) {
      opened = std::move(fd);
    } else {
      opened = sysError("socket({}, {}, {}) in a network namespace", family, type, protocol);
    }
  };
  try {
    // setns(2) changes one thread only; that thread ends here, so nobody ever runs in there by accident.
    std::thread(enterAndOpen).join();
  } catch (const std::system_error& thrown) {
    return errnoError(thrown.code().value(), "start a thread for a network namespace");
  }
  return opened;
}

Result<UniqueFd> openOwnNetns() {
  UniqueFd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) return sysError("open own network namespace");
  return fd;
}

}  // namespace keelson::kernel
