// NativeRuntime: commands in running containers.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/native_runtime.h"
#include "runtime/run_folder.h"
#include "runtime/shim_links.h"
#include "runtime/wire.h"

namespace keelson::runtime {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> makePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sysError("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool hasVariable(const std::vector<std::string>& env, std::string_view prefix) {
  return std::any_of(env.begin(), env.end(),
                     [&](const std::string& line) { return line.rfind(prefix, 0) == 0; });
}

}  // namespace

Result<ExecResult> readExecResult(int fd) {
  return decodeExecResult(TRY_CTX(readFd(fd, kMaxExecResultBytes), "result of the command"));
}

Result<ExecResult> decodeExecResult(std::string_view text) {
  if (text.empty()) return makeError(Code::kUnavailable, "result of the command: the shim is gone");
  auto outcome = TRY(decodeWire<ExecOutcome>(text));
  return ExecResult{outcome.exit_code, outcome.timed_out, std::move(outcome.error)};
}

Result<ExecSession> NativeRuntime::exec(const PodUid& uid, const ContainerId& id, ExecRequest request,
                                        Stop& stop) {
  if (request.command.empty()) return makeError(Code::kInvalidArgument, "exec: no command");
  auto run_folder = openRunFolder(options_.run_dir, uid);
  if (!run_folder) return makeError(Code::kFailedPrecondition, "exec: the pod has no sandbox");
  const auto saved = readPlan(*run_folder, id);
  if (!saved)
    return makeError(Code::kFailedPrecondition, "exec: no container {}: {}", id.str(), saved.error().text);

  Exec exec;
  exec.container_id = id.str();
  exec.process = saved->process;
  exec.process.args = request.command;
  exec.process.tty = request.tty;
  if (request.tty && !hasVariable(exec.process.env, "TERM=")) exec.process.env.push_back("TERM=xterm");
  exec.timeout_ms = std::chrono::ceil<std::chrono::milliseconds>(request.timeout).count();

  Pipe result = TRY(makePipe());
  Pipe cancel = TRY(makePipe());
  std::vector<int> descriptors = {result.write.get(), cancel.read.get()};
  UniqueFd null;
  if (!request.tty) {
    null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) return sysError("open /dev/null");
    for (const UniqueFd* stream : {&request.stdin_fd, &request.stdout_fd, &request.stderr_fd}) {
      descriptors.push_back(stream->valid() ? stream->get() : null.get());
    }
  }
  ExecSession session;
  session.terminal =
      TRY_CTX(links_->with(uid, stop, [&](ShimClient& shim) { return shim.exec(exec, descriptors, stop); }),
              "exec in {}", saved->name);
  session.result = std::move(result.read);
  session.cancel = std::move(cancel.write);
  return session;
}

}  // namespace keelson::runtime
