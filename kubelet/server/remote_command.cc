#include "kubelet/server/remote_command.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <deque>
#include <set>

#include "kubelet/server/spdy_exec.h"

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

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

// The forms of the channel protocol, the best first.
struct ExecProtocol {
  const char* name;
  bool half_close;   // the client can end stdin alone
  bool text_status;  // the error channel has a sentence for a failure, nothing for success
};
constexpr ExecProtocol kWebSocketProtocols[] = {
    {"v5.channel.k8s.io", true, false}, {"v4.channel.k8s.io", false, false}, {"channel.k8s.io", false, true}};
constexpr ExecProtocol kSpdyProtocols[] = {
    {"v4.channel.k8s.io", true, false}, {"v3.channel.k8s.io", true, true}, {"v2.channel.k8s.io", true, true}};
constexpr ExecProtocol kNoProtocol{"", false, true};  // a WebSocket client that names none, as of old

const ExecProtocol* chooseProtocol(const Call& call) {
  const auto choose = [&](const auto& known) -> const ExecProtocol* {
    for (const ExecProtocol& protocol : known)
      if (std::find(call.subprotocols.begin(), call.subprotocols.end(), protocol.name) !=
          call.subprotocols.end())
        return &protocol;
    return nullptr;
  };
  if (call.stream == Call::Stream::kSpdy) return choose(kSpdyProtocols);
  if (call.stream == Call::Stream::kNone) return nullptr;
  return call.subprotocols.empty() ? &kNoProtocol : choose(kWebSocketProtocols);
}

std::string renderStatus(const ExecProtocol& protocol, const Result<runtime::ExecResult>& result) {
  const json::value status = execStatus(result);
  if (!protocol.text_status) return json::serialize(status);
  if (status.at("status") == "Success") return "";
  return "error executing command in container: " + std::string(status.at("message").as_string());
}

// Moves bytes between a command's descriptors and the client. Home: loop. Owned by the connection.
class ExecConversation : public Conversation {
 public:
  ExecConversation(Loop& loop, const ExecProtocol& protocol, Streams streams)
      : core_(std::make_shared<Core>(loop, protocol, std::move(streams))) {}
  ~ExecConversation() override { core_->abandon(); }

  void start(Channel& channel) override { core_->start(channel); }
  void onMessage(std::string_view message) override { core_->onMessage(message); }

 private:
  // Shared with pending callbacks; `channel` is null once the conversation is gone.
  struct Core : std::enable_shared_from_this<Core> {
    Core(Loop& on, const ExecProtocol& spoken, Streams streams)
        : loop(on),
          protocol(spoken),
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
      const std::string status = renderStatus(protocol, *outcome);
      if (!status.empty()) channel->send(std::string(1, kStatus) + status, {});
      channel->close();
    }

    // ---- from the client ----

    void onMessage(std::string_view message) {
      if (message.empty()) return channel->receive();
      const auto number = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      if (number == kStdin && input.is_open() && !message.empty()) return writeInput(std::string(message));
      if (number == kResize) resize(message);
      if (number == kCloseChannel && protocol.half_close && !message.empty() && message[0] == kStdin)
        closeInput();
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
    const ExecProtocol protocol;
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
  std::string uid;  // "": any
  std::vector<std::string> command;
  bool tty = false, input = false, output = false, error = false;
};

Result<Streams> startExec(const Kubelet& kubelet, runtime::Runtime& runtime, const ExecCall& call) {
  const auto instance =
      TRY(kubelet.instance(call.pod_namespace, call.pod, call.container, Kubelet::Which::kCurrent));
  if (!call.uid.empty() && call.uid != instance.uid.str()) return makeError(Code::kNotFound, "pod not found");
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

namespace {

// What /run answers: both outputs together, as they come. Keeps itself alive until the command's end. Home:
// loop.
class Collector : public Channel, public std::enable_shared_from_this<Collector> {
 public:
  Collector(Loop& loop, Respond respond) : loop_(loop), respond_(std::move(respond)) {}

  void start(std::unique_ptr<Conversation> talk) {
    self_ = shared_from_this();
    talk_ = std::move(talk);
    timer_ = loop_.after(kRunTime, [this] { end("the command did not end in time"); });
    talk_->start(*this);
  }
  void send(std::string message, std::function<void()> sent) override {
    const char channel = message[0];
    if (channel == kStatus)
      failure_ = message.substr(1);
    else
      output_.append(message, 1, kMaxRunOutput - std::min(kMaxRunOutput, output_.size()));
    if (sent)
      loop_.post([self = shared_from_this(), sent] {
        if (self->talk_) sent();
      });
  }
  void receive() override {}
  void close() override { end(failure_); }

 private:
  void end(const std::string& failure) {
    if (!self_) return;
    timer_.reset();
    respond_(failure.empty() ? Reply::ofText(std::move(output_))
                             : Reply::ofError(makeError(Code::kInternal, "{}: {}", failure, output_)));
    // Not from inside of what it destroys.
    loop_.post([self = std::move(self_)] { self->talk_.reset(); });
  }

  static constexpr size_t kMaxRunOutput = size_t{16} << 20;
  static constexpr Duration kRunTime = std::chrono::minutes(10);
  Loop& loop_;
  Respond respond_;
  std::unique_ptr<Conversation> talk_;
  std::string output_, failure_;
  Registration timer_;
  std::shared_ptr<Collector> self_;
};

ExecCall execCall(const Call& call) {
  ExecCall exec{call.capture("namespace"),
                call.capture("pod"),
                call.capture("container"),
                call.captures.contains("uid") ? call.capture("uid") : "",
                call.queryValues("command"),
                call.queryFlag("tty"),
                call.queryFlag("input") || call.queryFlag("stdin"),
                call.queryFlag("output") || call.queryFlag("stdout"),
                call.queryFlag("error") || call.queryFlag("stderr")};
  if (exec.tty) exec.error = false;  // a terminal has one output
  return exec;
}

// The streams that a SPDY client opens for this call.
std::set<char> expectedStreams(const ExecCall& call) {
  std::set<char> expected{kStatus};
  if (call.input) expected.insert(kStdin);
  if (call.output) expected.insert(kStdout);
  if (call.error) expected.insert(kStderr);
  if (call.tty) expected.insert(kResize);
  return expected;
}

// Starts the command on the lane; `done` runs on the loop.
void start(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, ExecCall exec,
           std::function<void(Result<Streams>)> done) {
  lane.post([&loop, &kubelet, &runtime, exec = std::move(exec), done = std::move(done)] {
    auto streams = std::make_shared<Result<Streams>>(startExec(kubelet, runtime, exec));
    loop.post([streams, done] { done(std::move(*streams)); });
  });
}

}  // namespace

void handleExec(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
                Respond respond) {
  ExecCall exec = execCall(call);
  if (exec.command.empty())
    return respond(
        Reply::ofError(makeError(Code::kInvalidArgument, "you must specify at least one command")));
  if (!exec.input && !exec.output && !exec.error)
    return respond(Reply::ofError(
        makeError(Code::kInvalidArgument, "you must specify at least 1 of stdin, stdout, stderr")));
  const ExecProtocol* protocol = chooseProtocol(call);
  if (!protocol)
    return respond(Reply::ofError(makeError(
        Code::kInvalidArgument,
        "exec: expected an upgrade to a WebSocket or to SPDY/3.1 with a sub-protocol of channel.k8s.io")));
  const bool spdy = call.stream == Call::Stream::kSpdy;
  const auto expected = expectedStreams(exec);
  start(loop, lane, kubelet, runtime, std::move(exec),
        [&loop, protocol, spdy, expected, respond](Result<Streams> streams) {
          if (!streams) return respond(Reply::ofError(streams.error()));
          std::unique_ptr<Conversation> talk =
              std::make_unique<ExecConversation>(loop, *protocol, std::move(streams).value());
          if (spdy) talk = std::make_unique<SpdyExec>(loop, expected, std::move(talk));
          respond(Upgrade{protocol->name, std::move(talk)});
        });
}

void handleRun(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
               Respond respond) {
  ExecCall exec = execCall(call);
  std::string_view rest = call.query.contains("cmd") ? call.query.find("cmd")->second : std::string_view();
  while (!rest.empty()) {  // upstream parts it at spaces, and has no quotes
    const size_t space = std::min(rest.find(' '), rest.size());
    exec.command.emplace_back(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  if (exec.command.empty())
    return respond(Reply::ofError(makeError(Code::kInvalidArgument, "cmd: you must specify a command")));
  exec.output = exec.error = true;
  exec.input = exec.tty = false;
  start(loop, lane, kubelet, runtime, std::move(exec), [&loop, respond](Result<Streams> streams) {
    if (!streams) return respond(Reply::ofError(streams.error()));
    auto collector = std::make_shared<Collector>(loop, respond);
    collector->start(std::make_unique<ExecConversation>(loop, kNoProtocol, std::move(streams).value()));
  });
}

}  // namespace keelson::kubelet::server
