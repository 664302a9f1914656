#include "kubelet/server/remote_command.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <deque>

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

enum ChannelNumber : char { kStdin = 0, kStdout = 1, kStderr = 2, kStatus = 3, kResize = 4 };
constexpr unsigned char kCloseChannel = 255;

constexpr size_t kPieceBytes = 32 * 1024;
constexpr Duration kStartTime = std::chrono::seconds(10);
// After the command's end its output is read until end-of-file, or until nothing came for this long
// when a child of it holds the pipe open.
constexpr Duration kDrainTime = std::chrono::seconds(1);

struct Streams {
  UniqueFd stdin_fd, stdout_fd, stderr_fd;  // our ends
  runtime::ExecSession session;
};

void setNonBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Moves bytes between a command's descriptors and the client. Home: loop. Owned by the connection.
class ExecConversation : public Conversation {
 public:
  ExecConversation(Loop& loop, bool half_close, Streams streams)
      : core_(std::make_shared<Core>(loop, half_close, std::move(streams))) {}
  ~ExecConversation() override { core_->abandon(); }

  void start(Channel& channel) override { core_->start(channel); }
  void onMessage(std::string_view message) override { core_->onMessage(message); }

 private:
  // Shared with pending callbacks; `channel` is null once the conversation is gone.
  struct Core : std::enable_shared_from_this<Core> {
    Core(Loop& on, bool v5, Streams streams)
        : loop(on),
          half_close(v5),
          input(on.context()),
          outputs{asio::posix::stream_descriptor(on.context()), asio::posix::stream_descriptor(on.context())},
          result(on.context()),
          cancel(std::move(streams.session.cancel)) {
      if (streams.session.terminal) {
        terminal = streams.session.terminal.get();
        UniqueFd writer(::fcntl(terminal, F_DUPFD_CLOEXEC, 3));
        assign(input, std::move(writer));
        assign(outputs[0], std::move(streams.session.terminal));
      } else {
        assign(input, std::move(streams.stdin_fd));
        assign(outputs[0], std::move(streams.stdout_fd));
        assign(outputs[1], std::move(streams.stderr_fd));
      }
      assign(result, std::move(streams.session.result));
    }

    static void assign(asio::posix::stream_descriptor& to, UniqueFd fd) {
      if (!fd) return;
      setNonBlocking(fd.get());
      to.assign(fd.release());
    }

    void start(Channel& to) {
      channel = &to;
      // An empty message tells the client that the command is connected, as kubelet does.
      channel->send(std::string(1, outputs[0].is_open()   ? kStdout
                                   : outputs[1].is_open() ? kStderr
                                                          : kStatus),
                    {});
      for (size_t i = 0; i < outputs.size(); ++i) readOutput(i);
      asio::async_read(result, asio::dynamic_buffer(result_bytes, runtime::kMaxExecResultBytes),
                       [self = shared_from_this()](error_code error, size_t) {
                         if (error != asio::error::operation_aborted) self->onResult();
                       });
      channel->receive();
    }

    void abandon() {
      channel = nullptr;
      error_code ignored;
      input.close(ignored);
      for (auto& output : outputs) output.close(ignored);
      result.close(ignored);
      cancel.reset();
      drain.reset();
    }

    // ---- to the client ----

    void readOutput(size_t which) {
      if (!channel || !outputs[which].is_open()) return;
      sending[which] = false;
      if (outcome) armDrain();
      outputs[which].async_read_some(
          asio::buffer(pieces[which]), [self = shared_from_this(), which](error_code error, size_t size) {
            if (!self->channel) return;
            self->sending[which] = !error;
            if (error) return self->outputEnded(which);
            std::string message(1, which == 0 ? kStdout : kStderr);
            message.append(self->pieces[which].data(), size);
            self->channel->send(std::move(message), [self, which] { self->readOutput(which); });
          });
    }

    void outputEnded(size_t which) {
      error_code ignored;
      if (!(terminal >= 0 && which == 0)) outputs[which].close(ignored);
      ended[which] = true;
      finishIfDone();
    }

    void onResult() {
      outcome = runtime::decodeExecResult(result_bytes);
      armDrain();
      finishIfDone();
    }

    void armDrain() {
      drain = loop.after(kDrainTime, [weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self) return;
        // A client that takes its time still gets all of it.
        if (self->sending[0] || self->sending[1]) return self->armDrain();
        self->drained = true;
        self->finishIfDone();
      });
    }

    void finishIfDone() {
      const bool quiet = (ended[0] || !outputs[0].is_open()) && (ended[1] || !outputs[1].is_open());
      if (!channel || !outcome || finished || !(quiet || drained)) return;
      finished = true;
      channel->send(std::string(1, kStatus) + json::serialize(execStatus(*outcome)), {});
      channel->close();
    }

    // ---- from the client ----

    void onMessage(std::string_view message) {
      if (message.empty()) return channel->receive();
      const auto number = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      if (number == kStdin && input.is_open() && !message.empty()) return writeInput(std::string(message));
      if (number == kResize) resize(message);
      if (number == kCloseChannel && half_close && !message.empty() && message[0] == kStdin) closeInput();
      channel->receive();
    }

    void writeInput(std::string bytes) {
      auto kept = std::make_shared<std::string>(std::move(bytes));
      asio::async_write(input, asio::buffer(*kept),
                        [self = shared_from_this(), kept](error_code error, size_t) {
                          if (!self->channel) return;
                          if (error)
                            self->closeInput();  // the command closed its stdin: what comes is dropped
                          self->channel->receive();
                        });
    }

    void closeInput() {
      error_code ignored;
      if (terminal < 0) input.close(ignored);
    }

    void resize(std::string_view text) {
      const auto value = parseJson(text, 256);
      if (!value || !value->is_object() || terminal < 0) return;
      const auto side = [&](const char* name) -> unsigned short {
        const json::value* found = value->get_object().if_contains(name);
        const int64_t* number = found ? found->if_int64() : nullptr;
        return number && *number > 0 && *number < 65536 ? static_cast<unsigned short>(*number) : 0;
      };
      winsize size{side("Height"), side("Width"), 0, 0};
      if (size.ws_row != 0 && size.ws_col != 0 && outputs[0].is_open())
        ::ioctl(outputs[0].native_handle(), TIOCSWINSZ, &size);
    }

    Loop& loop;
    const bool half_close;
    Channel* channel = nullptr;
    asio::posix::stream_descriptor input;
    std::array<asio::posix::stream_descriptor, 2> outputs;
    std::array<std::array<char, kPieceBytes>, 2> pieces;
    std::array<bool, 2> ended{};
    std::array<bool, 2> sending{};  // a piece is on its way to the client
    asio::posix::stream_descriptor result;
    std::string result_bytes;
    UniqueFd cancel;
    int terminal = -1;  // owned by outputs[0]
    std::optional<Result<runtime::ExecResult>> outcome;
    Registration drain;
    bool drained = false;
    bool finished = false;
  };

  std::shared_ptr<Core> core_;
};

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> makePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sysError("pipe2");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

struct ExecCall {
  std::string pod_namespace, pod, container;
  std::vector<std::string> command;
  bool tty = false, input = false, output = false, error = false;
};

Result<Streams> startExec(const Kubelet& kubelet, runtime::Runtime& runtime, const ExecCall& call) {
  const auto instance =
      TRY(kubelet.instance(call.pod_namespace, call.pod, call.container, Kubelet::Which::kCurrent));
  if (!instance.running)
    return makeError(Code::kFailedPrecondition, "container not found (\"{}\"): it is not running",
                     call.container);
  Streams streams;
  runtime::ExecRequest request;
  request.command = call.command;
  request.tty = call.tty;
  if (!call.tty) {
    if (call.input) {
      Pipe pipe = TRY(makePipe());
      request.stdin_fd = std::move(pipe.read_end);
      streams.stdin_fd = std::move(pipe.write_end);
    }
    if (call.output) {
      Pipe pipe = TRY(makePipe());
      request.stdout_fd = std::move(pipe.write_end);
      streams.stdout_fd = std::move(pipe.read_end);
    }
    if (call.error) {
      Pipe pipe = TRY(makePipe());
      request.stderr_fd = std::move(pipe.write_end);
      streams.stderr_fd = std::move(pipe.read_end);
    }
  }
  Stop stop(kStartTime);
  streams.session = TRY(runtime.exec(instance.uid, instance.id, std::move(request), stop));
  return streams;
}

}  // namespace

json::value execStatus(const Result<runtime::ExecResult>& result) {
  json::object status{{"metadata", json::object{}}};
  if (result && result->exit_code == 0 && result->error.empty()) {
    status["status"] = "Success";
    return status;
  }
  status["status"] = "Failure";
  if (!result) {
    status["message"] = result.error().text;
    status["reason"] = "InternalError";
    status["code"] = 500;
    return status;
  }
  const std::string code = std::to_string(result->exit_code);
  status["message"] =
      result->error.empty() ? "command terminated with non-zero exit code: " + code : result->error;
  status["reason"] = "NonZeroExitCode";
  status["details"] = {{"causes", {{{"reason", "ExitCode"}, {"message", code}}}}};
  return status;
}

void handleExec(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
                Respond respond) {
  ExecCall exec{call.capture("namespace"),
                call.capture("pod"),
                call.capture("container"),
                call.queryValues("command"),
                call.queryFlag("tty"),
                call.queryFlag("input") || call.queryFlag("stdin"),
                call.queryFlag("output") || call.queryFlag("stdout"),
                call.queryFlag("error") || call.queryFlag("stderr")};
  if (exec.command.empty())
    return respond(
        Reply::ofError(makeError(Code::kInvalidArgument, "you must specify at least one command")));
  if (!exec.input && !exec.output && !exec.error)
    return respond(Reply::ofError(
        makeError(Code::kInvalidArgument, "you must specify at least 1 of stdin, stdout, stderr")));
  std::string chosen;
  for (const char* known : {"v5.channel.k8s.io", "v4.channel.k8s.io"}) {
    if (chosen.empty() &&
        std::find(call.subprotocols.begin(), call.subprotocols.end(), known) != call.subprotocols.end())
      chosen = known;
  }
  if (chosen.empty())
    return respond(
        Reply::ofError(makeError(Code::kInvalidArgument,
                                 "exec: expected a WebSocket upgrade with sub-protocol v5.channel.k8s.io "
                                 "or v4.channel.k8s.io")));
  lane.post(
      [&loop, &kubelet, &runtime, exec = std::move(exec), chosen, respond = std::move(respond)]() mutable {
        auto streams = std::make_shared<Result<Streams>>(startExec(kubelet, runtime, exec));
        loop.post([&loop, streams, chosen, respond = std::move(respond)] {
          if (!streams->ok()) return respond(Reply::ofError(streams->error()));
          respond(Upgrade{chosen, std::make_unique<ExecConversation>(loop, chosen.starts_with("v5"),
                                                                     std::move(*streams).value())});
        });
      });
}

}  // namespace keelson::kubelet::server
