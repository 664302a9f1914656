#include "kernel/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>

#include "base/fs.h"

namespace keelson::kernel {
namespace {

constexpr size_t kStatLimit = 4096;                            // of /proc/PID/stat
constexpr Duration kLongestWait = std::chrono::hours(24 * 7);  // keeps deadline arithmetic from overflowing

}  // namespace

// System calls by number: glibc 2.36's <sys/pidfd.h> lacks extern "C".
Result<Pidfd> Pidfd::open(pid_t pid) {
  const long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return sysError("pidfd_open of process {}", pid);
  return Pidfd(UniqueFd(static_cast<int>(fd)));
}

Result<Pidfd> Pidfd::open(const ProcessIdentity& identity) {
  // Descriptor first: if the number was reborn in between, the start times differ.
  Pidfd pidfd = TRY(open(identity.pid));
  const ProcessIdentity found = TRY(identify(identity.pid));
  if (found != identity) {
    return makeError(Code::kNotFound,
                     "process {}: started at tick {}, not at {}: another process has its number now",
                     identity.pid, found.start_ticks, identity.start_ticks);
  }
  return pidfd;
}

Result<void> Pidfd::signal(int signo) const {
  if (syscall(SYS_pidfd_send_signal, fd_.get(), signo, nullptr, 0) == 0 || errno == ESRCH) return {};
  return sysError("pidfd_send_signal {}", signo);
}

Result<void> Pidfd::waitEnd(Duration timeout) const {
  const SteadyTime deadline = realClock().steady() + std::min(timeout, kLongestWait);
  while (true) {
    const Duration left = std::max(Duration{0}, Duration(deadline - realClock().steady()));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec wait{seconds.count(), (left - seconds).count()};
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    const int ready = ppoll(&poll_fd, 1, &wait, nullptr);
    if (ready > 0 && (poll_fd.revents & POLLNVAL) != 0) return errnoError(EBADF, "wait for a process");
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return sysError("wait for a process");
    if (ready == 0 && left == Duration{0}) {
      return makeError(Code::kDeadlineExceeded, "process still runs after {}", formatDuration(timeout));
    }
  }
}

bool Pidfd::hasEnded() const {
  pollfd poll_fd{fd_.get(), POLLIN, 0};
  return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN) != 0;
}

Result<uint64_t> parseStartTicks(std::string_view stat) {
  // Field 2 is the command in parentheses and may itself hold spaces and parentheses; after its
  // last ')' come field 3 and the rest.
  const size_t command_end = stat.rfind(')');
  if (command_end == std::string_view::npos) {
    return makeError(Code::kDataLoss, "stat of a process: no command in parentheses");
  }
  std::string_view rest = stat.substr(command_end + 1);
  for (int field = 3;; ++field) {
    const size_t start = rest.find_first_not_of(' ');
    if (start == std::string_view::npos) return makeError(Code::kDataLoss, "stat of a process: no field 22");
    rest.remove_prefix(start);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
    if (field == 22) {
      uint64_t ticks = 0;
      const auto [end, err] = std::from_chars(word.data(), word.data() + word.size(), ticks);
      if (err != std::errc{} || end != word.data() + word.size()) {
        return makeError(Code::kDataLoss, "stat of a process: field 22 is \"{}\", not a number", word);
      }
      return ticks;
    }
    rest.remove_prefix(word.size());
  }
}

Result<ProcessIdentity> identify(pid_t pid) {
  const std::string stat =
      TRY_CTX(readFile(fmt::format("/proc/{}/stat", pid), kStatLimit), "process {}", pid);
  return ProcessIdentity{pid, TRY_CTX(parseStartTicks(stat), "process {}", pid)};
}

}  // namespace keelson::kernel
