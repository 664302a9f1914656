#include "runtime/shim/control.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "runtime/wire.h"

namespace keelson::runtime::shim {

Result<void> Control::start(Handler handler) {
  handler_ = std::move(handler);
  const int flags = fcntl(listener_.get(), F_GETFL);
  if (flags < 0 || fcntl(listener_.get(), F_SETFL, flags | O_NONBLOCK) < 0) return sysError("control socket");
  listener_watch_ = TRY(poller_.watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept(); }));
  return {};
}

void Control::accept() {
  UniqueFd fresh(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fresh) return;
  // The folder's mode 0700 is the border; this is the second look.
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fresh.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid()) return;
  disconnect();
  auto watch = poller_.watch(fresh.get(), EPOLLIN, [this](uint32_t events) { receive(events); });
  if (!watch) return;
  connection_ = std::move(fresh);
  connection_watch_ = std::move(watch).value();
}

void Control::disconnect() {
  connection_watch_.reset();
  connection_.reset();
  eventfd_.reset();
  held_.clear();
  greeted_ = false;
  paused_ = false;
  ++generation_;
}

void Control::receive(uint32_t events) {
  if (paused_) {
    // Paused watches report only that the peer is gone.
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) disconnect();
    return;
  }
  auto raw = receiveRaw(connection_.get());
  if (!raw) return disconnect();
  if (!*raw) return;
  auto message = unpackMessage(std::move(**raw));
  if (!message) return disconnect();
  const bool hello = message->kind == MessageKind::kHello;
  if (hello == greeted_) return disconnect();  // Hello comes first, and once
  if (hello) {
    auto body = decodeWire<Hello>(message->body);
    if (!body || body->major != kProtocolMajor) return disconnect();
    greeted_ = true;
  }
  const Request request{generation_, message->serial};
  handler_(request, std::move(message).value());
}

void Control::answer(const Request& request, MessageKind kind, std::string_view body,
                     std::span<const int> descriptors, bool memfd_always) {
  if (request.connection != generation_ || !connection_) return;
  if (!sendMessage(connection_.get(), kind, request.serial, body, descriptors, memfd_always)) disconnect();
}

void Control::fail(const Request& request, const Error& error) {
  answer(request, MessageKind::kFailed, encodeWire(toWireError(error)));
}

void Control::changed() const {
  if (!eventfd_) return;
  const uint64_t one = 1;
  // EAGAIN only when nobody has read 2^64 - 2 changes: it is readable anyway.
  [[maybe_unused]] const ssize_t written = write(eventfd_.get(), &one, sizeof one);
}

void Control::pause() {
  paused_ = true;
  connection_watch_.setEvents(0);
}

void Control::resume(const Request& request) {
  if (request.connection != generation_ || !connection_) return;
  paused_ = false;
  connection_watch_.setEvents(EPOLLIN);
}

Result<void> Control::hold(uint32_t first_token, std::vector<UniqueFd> descriptors) {
  if (held_.size() + descriptors.size() > kMaxHeldDescriptors)
    return makeError(Code::kResourceExhausted, "more than {} mounts wait for their container",
                     kMaxHeldDescriptors);
  for (UniqueFd& fd : descriptors) held_[first_token++] = std::move(fd);
  return {};
}

std::vector<UniqueFd> Control::takeHeld(uint32_t first, uint32_t count) {
  std::vector<UniqueFd> taken;
  if (count > kMaxHeldDescriptors) return taken;
  for (uint32_t i = 0; i < count; ++i) {
    auto node = held_.extract(first + i);
    taken.push_back(node.empty() ? UniqueFd() : std::move(node.mapped()));
  }
  return taken;
}

}  // namespace keelson::runtime::shim
