#include "runtime/shim_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/packet.h"
#include "runtime/wire.h"

namespace keelson::runtime {
namespace {

constexpr size_t kPidFileLimit = 256;
// A shim answers from memory; only a start does work (mounts, execve) before its answer.
constexpr Duration kRequestTimeout = std::chrono::seconds(30);

// A sealed memfd of the shim: sealed, so that its size cannot change while it is read.
Result<std::string> readBody(int memfd) {
  struct stat info {};
  if (::fstat(memfd, &info) != 0) return sysError("stat of a shim message");
  const int seals = ::fcntl(memfd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (seals < 0 || (seals & kNeeded) != kNeeded || info.st_size < 0 ||
      static_cast<size_t>(info.st_size) > kMaxMemfdBodyBytes) {
    return makeError(Code::kDataLoss, "shim message: its memfd is not sealed or beyond {} bytes",
                     kMaxMemfdBodyBytes);
  }
  std::string body(static_cast<size_t>(info.st_size), '\0');
  for (size_t at = 0; at < body.size();) {
    const ssize_t got = ::pread(memfd, body.data() + at, body.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sysError("read of a shim message");
    if (got == 0) return makeError(Code::kDataLoss, "shim message: its memfd is too short");
    at += static_cast<size_t>(got);
  }
  return body;
}

Result<UniqueFd> connectSocket(const DirFd& run_folder) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return sysError("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/shim.sock", run_folder.get());
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  if (errno == ECONNREFUSED || errno == ENOENT) return makeError(Code::kNotFound, "shim: nobody listens");
  if (errno == EAGAIN) return makeError(Code::kUnavailable, "shim: its queue of connections is full");
  return sysError("connect to the shim");
}

}  // namespace

Result<ShimIdentity> readShimIdentity(const DirFd& run_folder) {
  const std::string text = TRY(run_folder.readFile(kShimPidFile, kPidFileLimit));
  const auto malformed = [] { return makeError(Code::kDataLoss, "{} is malformed", kShimPidFile); };
  ShimIdentity identity;
  const char* const end = text.data() + text.size();
  const auto pid = std::from_chars(text.data(), end, identity.process.pid);
  if (pid.ec != std::errc() || pid.ptr == end || *pid.ptr != ' ' || identity.process.pid <= 0)
    return malformed();
  const auto ticks = std::from_chars(pid.ptr + 1, end, identity.process.start_ticks);
  if (ticks.ec != std::errc() || ticks.ptr == end || *ticks.ptr != ' ' || text.back() != '\n')
    return malformed();
  identity.boot_id.assign(ticks.ptr + 1, end - 1);
  return identity;
}

Result<ShimClient> ShimClient::connect(const DirFd& run_folder, Stop& stop) {
  const ShimIdentity identity = TRY(readShimIdentity(run_folder));
  ShimClient client;
  auto pidfd = TRY_CTX(kernel::Pidfd::open(identity.process), "shim process {}", identity.process.pid);
  UniqueFd process(::fcntl(pidfd.get(), F_DUPFD_CLOEXEC, 3));
  if (!process) return sysError("duplicate pidfd");
  client.process_ = std::make_shared<const UniqueFd>(std::move(process));
  if (client.hasEnded()) return makeError(Code::kNotFound, "shim process {} has ended", identity.process.pid);
  UniqueFd changed(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!changed) return sysError("eventfd");
  client.changed_ = std::make_shared<const UniqueFd>(std::move(changed));
  client.socket_ = TRY(connectSocket(run_folder));
  auto greeted = client.hello(stop);
  if (!greeted && client.hasEnded())
    return makeError(Code::kNotFound, "shim process {} has ended", identity.process.pid);
  if (!greeted) return std::move(greeted).error().withContext("shim");
  return client;
}

Result<void> ShimClient::hello(Stop& stop) {
  Hello ours;
  ours.build = KEELSON_VERSION;
  auto answer =
      TRY(call(MessageKind::kHello, encodeWire(ours), {changed_->get()}, MessageKind::kHello, 1, stop));
  const auto theirs = TRY(decodeWire<Hello>(answer.body));
  if (theirs.major != kProtocolMajor) {
    breakUp();
    return makeError(Code::kUnsupported, "it speaks protocol {}.{} (build {}), this daemon {}.{}",
                     theirs.major, theirs.minor, theirs.build, kProtocolMajor, kProtocolMinor);
  }
  netns_ = std::move(answer.descriptors[0]);
  return {};
}

// The shim sees it too, and drops what it holds for this connection.
void ShimClient::breakUp() { socket_.reset(); }

bool ShimClient::hasEnded() const {
  pollfd poll_fd{process_->get(), POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

Result<ShimClient::Answer> ShimClient::call(MessageKind kind, const std::string& body,
                                            const std::vector<int>& descriptors, MessageKind expected,
                                            size_t expected_descriptors, Stop& stop) {
  if (broken()) return makeError(Code::kUnavailable, "the connection with the shim is broken");
  TRY(stop.check("shim"));
  Stop bounded = stop.within(kRequestTimeout);
  auto answer = exchange(kind, body, descriptors, expected, expected_descriptors, bounded);
  if (!answer) {
    breakUp();  // whose answer comes next is unknown
    return std::move(answer).error().withContext("shim");
  }
  if (!answer->failed) return answer;
  auto error = decodeWire<WireError>(answer->body);
  if (!error) {
    breakUp();
    return std::move(error).error();
  }
  return fromWireError(std::move(error).value());
}

Result<ShimClient::Answer> ShimClient::exchange(MessageKind kind, const std::string& body,
                                                const std::vector<int>& descriptors, MessageKind expected,
                                                size_t expected_descriptors, Stop& stop) {
  MessageHeader header;
  header.kind = static_cast<uint32_t>(kind);
  header.serial = ++serial_;
  std::string message(sizeof header, '\0');
  std::vector<int> sent;
  UniqueFd memfd;
  if (sizeof header + body.size() > kMaxMessageBytes) {
    header.flags = kBodyInMemfd;
    if (body.size() > kMaxMemfdBodyBytes) {
      return makeError(Code::kInvalidArgument, "request of {} bytes is beyond {}", body.size(),
                       kMaxMemfdBodyBytes);
    }
    memfd = TRY(sealedMemfd("keelson-request", body));
    sent.push_back(memfd.get());
  } else {
    message += body;
  }
  std::memcpy(message.data(), &header, sizeof header);
  sent.insert(sent.end(), descriptors.begin(), descriptors.end());
  TRY(sendPacket(socket_.get(), message, sent, stop));

  Packet packet = TRY(receivePacket(socket_.get(), stop));
  const auto wrong = [](const char* what) { return makeError(Code::kDataLoss, "its answer has {}", what); };
  if (packet.bytes.size() < sizeof header) return wrong("no header");
  MessageHeader got;
  std::memcpy(&got, packet.bytes.data(), sizeof got);
  if (got.serial != header.serial) return wrong("another request's serial");
  Answer answer;
  answer.failed = got.kind == static_cast<uint32_t>(MessageKind::kFailed);
  if (!answer.failed && got.kind != static_cast<uint32_t>(expected)) return wrong("an unexpected kind");
  answer.body = packet.bytes.substr(sizeof header);
  if (got.flags & kBodyInMemfd) {
    if (packet.descriptors.empty()) return wrong("no memfd");
    answer.body = TRY(readBody(packet.descriptors[0].get()));
    packet.descriptors.erase(packet.descriptors.begin());
  }
  if (packet.descriptors.size() != (answer.failed ? 0 : expected_descriptors)) {
    return wrong("an unexpected number of descriptors");
  }
  answer.descriptors = std::move(packet.descriptors);
  return answer;
}

Result<State> ShimClient::getState(Stop& stop) {
  const Answer answer = TRY(call(MessageKind::kGetState, "", {}, MessageKind::kState, 0, stop));
  return decodeWire<State>(answer.body);
}

Result<uint32_t> ShimClient::putDescriptors(const std::vector<int>& descriptors, Stop& stop) {
  const uint32_t first = next_token_;
  for (size_t at = 0; at < descriptors.size(); at += kMaxMessageDescriptors) {
    const size_t count = std::min(kMaxMessageDescriptors, descriptors.size() - at);
    const auto begin = descriptors.begin() + static_cast<ptrdiff_t>(at);
    PutDescriptors request{next_token_};
    next_token_ += static_cast<uint32_t>(count);
    TRY(call(MessageKind::kPutDescriptors, encodeWire(request),
             {begin, begin + static_cast<ptrdiff_t>(count)}, MessageKind::kOk, 0, stop));
  }
  return first;
}

Result<DirFd> ShimClient::ensureTmpfs(const EnsureTmpfs& request, Stop& stop) {
  Answer answer = TRY(call(MessageKind::kEnsureTmpfs, encodeWire(request), {}, MessageKind::kOk, 1, stop));
  return DirFd(std::move(answer.descriptors[0]));
}

Result<ContainerRecord> ShimClient::startContainer(const StartContainer& request,
                                                   const std::vector<int>& descriptors, Stop& stop) {
  const Answer answer = TRY(
      call(MessageKind::kStartContainer, encodeWire(request), descriptors, MessageKind::kStarted, 0, stop));
  Started started = TRY(decodeWire<Started>(answer.body));
  return std::move(started.record);
}

Result<void> ShimClient::stopContainer(const StopContainer& request, Stop& stop) {
  TRY(call(MessageKind::kStopContainer, encodeWire(request), {}, MessageKind::kOk, 0, stop));
  return {};
}

Result<void> ShimClient::removeContainer(const ContainerId& id, Stop& stop) {
  TRY(call(MessageKind::kRemoveContainer, encodeWire(ContainerRef{id.str()}), {}, MessageKind::kOk, 0, stop));
  return {};
}

Result<UniqueFd> ShimClient::exec(const Exec& request, const std::vector<int>& descriptors, Stop& stop) {
  const size_t expected = request.process.tty ? 1 : 0;
  Answer answer = TRY(
      call(MessageKind::kExec, encodeWire(request), descriptors, MessageKind::kExecStarted, expected, stop));
  return expected == 0 ? UniqueFd() : std::move(answer.descriptors[0]);
}

Result<void> ShimClient::shutdown(Stop& stop) {
  TRY(call(MessageKind::kShutdown, "", {}, MessageKind::kOk, 0, stop));
  return {};
}

}  // namespace keelson::runtime
