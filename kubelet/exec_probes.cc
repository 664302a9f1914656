#include "kubelet/exec_probes.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <array>

namespace keelson::kubelet {
namespace {

// For the call into the runtime, not for the command.
constexpr Duration kStartTime = std::chrono::seconds(10);
constexpr int kReadsATurn = 16;  // of a command that writes without end

struct Started {
  runtime::ExecSession session;
  UniqueFd output;
};

Result<Started> startCommand(runtime::Runtime& runtime, const PodUid& uid, const ContainerId& id,
                             std::vector<std::string> command, Duration timeout, Stop& stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return sysError("pipe2");
  Started started;
  started.output = UniqueFd(ends[0]);
  runtime::ExecRequest request;
  request.command = std::move(command);
  request.timeout = timeout;
  request.stdout_fd = UniqueFd(ends[1]);
  // The command's own end blocks, as programs expect.
  if (::fcntl(request.stdout_fd.get(), F_SETFL, 0) != 0) return sysError("fcntl F_SETFL");
  request.stderr_fd = UniqueFd(::fcntl(request.stdout_fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!request.stderr_fd) return sysError("dup of a pipe");
  started.session = TRY(runtime.exec(uid, id, std::move(request), stop));
  return started;
}

// Appends what is there, up to `limit`; what is beyond is read and dropped, so that the command does not
// block. True at the end of file.
bool drain(int fd, std::string& text, size_t limit) {
  std::array<char, 16 * 1024> buffer;
  for (int i = 0; i < kReadsATurn; ++i) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno != EAGAIN;
    if (size == 0) return true;
    text.append(buffer.data(), std::min(static_cast<size_t>(size), limit - text.size()));
  }
  return false;
}

// One command. The attempt holds it; its callbacks find it only as long as it is held. Home: loop.
class Command final : public std::enable_shared_from_this<Command> {
 public:
  Command(Loop& loop, std::vector<std::string> command, probes::Done done)
      : loop_(loop), command_(std::move(command)), done_(std::move(done)) {}

  const std::vector<std::string>& command() const { return command_; }

  void onStarted(Result<Started> started) {
    if (!started) return finish(std::move(started).error());
    started_ = std::move(started).value();
    const int flags = ::fcntl(started_.session.result.get(), F_GETFL);
    ::fcntl(started_.session.result.get(), F_SETFL, flags | O_NONBLOCK);
    output_ready_ = loop_.onReadable(started_.output.get(), [this] {
      if (drain(started_.output.get(), output_, probes::kMaxOutput)) output_ready_.reset();
    });
    result_ready_ = loop_.onReadable(started_.session.result.get(), [this] {
      if (!drain(started_.session.result.get(), result_, runtime::kMaxExecResultBytes)) return;
      drain(started_.output.get(), output_, probes::kMaxOutput);
      finish(runtime::decodeExecResult(result_));
    });
  }

 private:
  void finish(const Result<runtime::ExecResult>& result) {
    output_ready_.reset();
    result_ready_.reset();
    started_ = Started{};
    const auto done = std::move(done_);
    done(execOutcome(command_, result, output_));  // may drop the attempt
  }

  Loop& loop_;
  const std::vector<std::string> command_;
  probes::Done done_;
  Started started_;
  std::string output_, result_;
  Registration output_ready_, result_ready_;
};

struct Held final : probes::Attempt {
  std::shared_ptr<Command> command;
};

}  // namespace

probes::Outcome execOutcome(const std::vector<std::string>& command,
                            const Result<runtime::ExecResult>& result, const std::string& output) {
  if (!result) return {probes::Verdict::kError, result.error().text};
  if (result->timed_out)
    return {probes::Verdict::kFailure, fmt::format("command timed out: \"{}\"", fmt::join(command, " "))};
  if (!result->error.empty()) return {probes::Verdict::kError, result->error};
  if (result->exit_code == 0) return {probes::Verdict::kSuccess, output};
  return {probes::Verdict::kFailure, output, result->exit_code};
}

probes::AttemptPtr ExecProbes::start(const PodUid& uid, const ContainerId& id,
                                     const std::vector<std::string>& command, Duration timeout,
                                     probes::Done done) {
  auto held = std::make_unique<Held>();
  held->command = std::make_shared<Command>(loop_, command, std::move(done));
  lane_.post([&loop = loop_, &runtime = runtime_, uid, id, command, timeout,
              weak = std::weak_ptr<Command>(held->command)] {
    // Given up while it waited for the lane: nothing is started.
    if (weak.expired()) return;
    Stop stop(kStartTime);
    auto started = std::make_shared<Result<Started>>(startCommand(runtime, uid, id, command, timeout, stop));
    loop.post([weak, started] {
      if (const auto self = weak.lock()) self->onStarted(std::move(*started));
    });
  });
  return held;
}

}  // namespace keelson::kubelet
