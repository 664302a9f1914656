#include "api/client/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

#include "base/unique_fd.h"

namespace keelson::api::client {
namespace {

constexpr size_t kMaxComplaint = 512;  // of standard error, its end
constexpr int kLongestPoll = 1000;     // ms; a cancel is seen that late

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> makePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return sysError("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<std::string> mergedEnvironment(const Command& command) {
  std::vector<std::string> merged;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(command.environment.begin(), command.environment.end(),
                                      [&](const auto& pair) { return pair.first == name; });
    if (!replaced) merged.push_back(text);
  }
  for (const auto& [name, value] : command.environment) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointersTo(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// posix_spawn's two argument objects, destroyed with it.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

Result<pid_t> spawn(const Command& command, int out, int err) {
  SpawnSetup setup;
  ::posix_spawn_file_actions_addopen(&setup.actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&setup.actions, out, 1);
  ::posix_spawn_file_actions_adddup2(&setup.actions, err, 2);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&setup.attributes, &none);
  ::posix_spawnattr_setsigdefault(&setup.attributes, &all);
  ::posix_spawnattr_setpgroup(&setup.attributes, 0);
  ::posix_spawnattr_setflags(&setup.attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> words{command.program};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = mergedEnvironment(command);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, command.program.c_str(), &setup.actions, &setup.attributes,
                                   pointersTo(words).data(), pointersTo(environment).data());
  if (error != 0) return errnoError(error, "start " + command.program);
  return pid;
}

// The program under way; killed with its group and reaped at the end, whatever happens.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
  }
  // True once it has ended; it stays a zombie (so that its number is not reborn) until the destructor.
  bool ended(int& status) const {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return true;
    if (info.si_pid == 0) return false;
    status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return true;
  }

 private:
  pid_t pid_;
};

// What was read of both pipes so far.
struct Output {
  std::string out, err;
};

// Reads what is there; false at the end of the pipe.
bool drain(int fd, std::string& into, size_t keep_last) {
  std::array<char, 16384> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  into.append(buffer.data(), static_cast<size_t>(got));
  if (keep_last != 0 && into.size() > keep_last) into.erase(0, into.size() - keep_last);
  return got > 0;
}

// Reads both pipes and waits for the end of the program that `ended` (its pidfd) tells.
Result<Output> collect(const Command& command, UniqueFd out, UniqueFd err, const UniqueFd& ended,
                       const Stop& stop) {
  Output output;
  bool alive = true;
  while (alive || out) {
    TRY(stop.check(command.program));
    std::array<pollfd, 3> fds{{{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
    if (!alive) fds[2].fd = -1;
    const int timeout = static_cast<int>(std::min<int64_t>(stop.remaining().count(), kLongestPoll));
    if (::poll(fds.data(), fds.size(), timeout) < 0 && errno != EINTR) return sysError("poll");
    if (fds[0].revents != 0 && !drain(out.get(), output.out, 0)) out.reset();
    if (fds[1].revents != 0 && !drain(err.get(), output.err, kMaxComplaint)) err.reset();
    if (output.out.size() > command.max_output) {
      return makeError(Code::kResourceExhausted, "{}: says more than {} bytes", command.program,
                       command.max_output);
    }
    // A grandchild may hold the pipe for ever: what the program said is there when it ended.
    if (fds[2].revents != 0) alive = false;
    if (!alive && fds[0].revents == 0) break;
  }
  return output;
}

}  // namespace

Result<std::string> runCommand(const Command& command, const Stop& stop) {
  Pipe out = TRY(makePipe());
  Pipe err = TRY(makePipe());
  const pid_t pid = TRY(spawn(command, out.write.get(), err.write.get()));
  const Child child(pid);
  out.write.reset();
  err.write.reset();
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return sysError("pidfd_open");
  Output output = TRY(collect(command, std::move(out.read), std::move(err.read), pidfd, stop));
  int status = 0;
  if (child.ended(status) && status == 0) return std::move(output.out);
  while (!output.err.empty() && (output.err.back() == '\n' || output.err.back() == ' '))
    output.err.pop_back();
  std::replace_if(
      output.err.begin(), output.err.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return makeError(Code::kUnavailable, "{}: exit status {}: {}", command.program, status, output.err);
}

}  // namespace keelson::api::client
