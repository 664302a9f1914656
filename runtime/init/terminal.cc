// Steps: standard files, a terminal, and the end of every other descriptor.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>

#include "kernel/mount.h"
#include "runtime/init/report.h"
#include "runtime/init/step_list.h"
#include "runtime/init/target_path.h"

namespace keelson::runtime::init {
namespace {

// A new pseudo-terminal from the multiplexer `ptmx`: the master goes to the shim, the slave stays here.
// TIOCGPTPEER opens the slave by the master, not by a name that the container could replace.
Result<void> takeTerminal(InitContext& context, UniqueFd ptmx) {
  int unlock = 0;
  if (ioctl(ptmx.get(), TIOCSPTLCK, &unlock) < 0) return sysError("unlock");
  context.terminal = ioctl(ptmx.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (context.terminal < 0) return sysError("open its peer");
  return sendTerminal(context.channel, ptmx.get());
}

// /dev/console is the terminal, for programs that write there (OCI runtime specification, `terminal`).
Result<void> bindConsole(const InitContext& context) {
  const UniqueFd node(
      openat(context.dev, "console", O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0620));
  if (!node) return sysError("create console");
  const UniqueFd target(openat(context.dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return sysError("open console");
  const kernel::Mount console = TRY(kernel::Mount::clone(context.terminal, false));
  return console.attach(target.get());
}

// Lets a user who is not root open /dev/stdout and its like again (nginx and many others log there).
void giveToUser(int fd, const ProcessPlan& process) {
  struct stat status {};
  if (fstat(fd, &status) < 0 || status.st_uid == process.uid) return;
  if (!S_ISFIFO(status.st_mode) && !process.tty) return;
  // Where it is refused, the open files work all the same.
  [[maybe_unused]] const int done = fchown(fd, process.uid, static_cast<gid_t>(-1));
}

}  // namespace

Result<void> openTerminal(InitContext& context) {
  if (!context.process->tty) return {};
  UniqueFd ptmx(openat(context.devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC));
  if (!ptmx) return sysError("open ptmx");
  TRY(takeTerminal(context, std::move(ptmx)));
  // A volume at /dev may be the host's, whose console it would cover.
  return context.dev_replacement == nullptr ? bindConsole(context) : Result<void>();
}

Result<void> openExecTerminal(InitContext& context) {
  if (!context.process->tty) return {};
  // The container owns these paths: look at what is there before it is opened.
  const UniqueFd found = TRY(openInside(AT_FDCWD, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW));
  struct stat status {};
  struct statfs file_system {};
  if (fstat(found.get(), &status) < 0 || fstatfs(found.get(), &file_system) < 0) return sysError("stat ptmx");
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2) || file_system.f_type != DEVPTS_SUPER_MAGIC)
    return makeError(Code::kFailedPrecondition,
                     "/dev/pts/ptmx of the container is not a pseudo-terminal multiplexer");
  UniqueFd ptmx(
      openat(context.proc, fmt::format("self/fd/{}", found.get()).c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ptmx) return sysError("open ptmx");
  return takeTerminal(context, std::move(ptmx));
}

Result<void> setStandardFiles(InitContext& context) {
  int files[] = {context.stdin_fd, context.stdout_fd, context.stderr_fd};
  if (context.process->tty)
    for (int& file : files) file = context.terminal;
  for (int number = 0; number < 3; ++number) {
    if (dup2(files[number], number) < 0) return sysError("dup2 {}", number);
    giveToUser(number, *context.process);
  }
  return {};
}

Result<void> closeDescriptors(InitContext& context) {
  // Only the channel stays, close-on-exec, and the shim's pidfd until dieWithShim has looked at it. Nothing
  // that names the host is open when the working directory is entered: it may be a path through
  // /proc/self/fd. What joins others in a pid namespace keeps no pidfd either: they may trace it.
  const int kept = 3, pidfd = 4;
  const int channel = fcntl(context.channel, F_DUPFD_CLOEXEC, 16);
  const int shim = fcntl(context.shim_pidfd, F_DUPFD_CLOEXEC, 16);
  if (channel < 0 || shim < 0) return sysError("dup");
  if (dup3(channel, kept, O_CLOEXEC) < 0 || dup3(shim, pidfd, O_CLOEXEC) < 0) return sysError("dup3");
  const bool joins = context.exec_target >= 0;
  if (close_range(joins ? pidfd : pidfd + 1, UINT_MAX, 0) < 0) return sysError("close_range");
  context.channel = kept;
  context.shim_pidfd = joins ? -1 : pidfd;
  context.exec_target = context.proc = context.root = context.dev = context.devpts = context.terminal = -1;
  return {};
}

Result<void> startSession(InitContext& context) {
  // Signals to the process group reach this process' family and nobody else.
  setsid();
  if (context.process->tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
    return sysError("make it the controlling terminal");
  return {};
}

}  // namespace keelson::runtime::init
