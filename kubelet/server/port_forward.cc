#include "kubelet/server/port_forward.h"

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <charconv>
#include <deque>

#include "kernel/netns.h"
#include "kubelet/server/spdy_session.h"

namespace keelson::kubelet::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr char kProtocol[] = "portforward.k8s.io";
constexpr char kTunnel[] = "SPDY/3.1+portforward.k8s.io";
constexpr size_t kMaxQueued = size_t{1} << 20;  // bytes on their way to all targets of a session
constexpr size_t kPieceBytes = 32 * 1024;
constexpr Duration kOpenTime = std::chrono::seconds(10);
constexpr Duration kConnectTime = std::chrono::seconds(30);
constexpr Duration kPairTime = std::chrono::seconds(30);

struct Target {
  std::string pod;
  PodUid uid;
  std::shared_ptr<UniqueFd> netns;
};

class PortForward;

// One connection and its pair of streams. Home: loop. Shared with its pending callbacks; `session` is null
// once it is over.
struct Forward : std::enable_shared_from_this<Forward> {
  Forward(Loop& loop, PortForward& owner) : session(&owner), socket(loop.context()) {}

  PortForward* session;
  uint32_t data = 0, error = 0;
  uint16_t port = 0;
  tcp::socket socket;
  bool connected = false, writing = false;
  bool client_done = false, target_done = false;
  std::string v4_error;
  std::deque<std::string> queue;
  std::array<char, kPieceBytes> piece;
  Registration timer;  // for the pair, then for the target's answer
};
using ForwardPtr = std::shared_ptr<Forward>;

class PortForward : public spdy::Session {
 public:
  PortForward(Loop& loop, Lane& lane, Target target) : loop_(loop), lane_(lane), target_(std::move(target)) {}
  ~PortForward() override {
    for (const auto& [id, forward] : pairs_) endSocket(*forward);
  }

 private:
  // spdy::Session
  void onStream(uint32_t stream, const spdy::Headers& headers) override;
  void onData(uint32_t stream, std::string bytes, bool fin) override;
  void onReset(uint32_t stream) override;
  bool wantsMore() const override { return queued_ < kMaxQueued; }

  void dial(const ForwardPtr& forward, int family);
  void onSocket(const ForwardPtr& forward, int family, Result<UniqueFd> fd);
  void onConnected(const ForwardPtr& forward);
  void writeNext(const ForwardPtr& forward);
  void readNext(const ForwardPtr& forward);
  void fail(const ForwardPtr& forward, const std::string& why);
  void endIfDone(const ForwardPtr& forward);
  void drop(const ForwardPtr& forward);
  static void endSocket(Forward& forward);

  Loop& loop_;
  Lane& lane_;
  const Target target_;
  std::map<std::string, ForwardPtr> pairs_;  // by request id
  std::map<uint32_t, ForwardPtr> by_data_;
  size_t queued_ = 0;
};

std::string valueOf(const spdy::Headers& headers, const char* name) {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

void PortForward::onStream(uint32_t stream, const spdy::Headers& headers) {
  const std::string type = valueOf(headers, "streamtype"), port_text = valueOf(headers, "port");
  uint16_t port = 0;
  const auto [end, fault] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  const bool known = type == "data" || type == "error";
  if (fault != std::errc() || end != port_text.data() + port_text.size() || port == 0 || !known)
    return refuse(stream);
  std::string id = valueOf(headers, "requestid");
  // Clients before Kubernetes 1.2 name none; they open the error stream and then its data stream.
  if (id.empty()) id = std::to_string(type == "error" ? stream : stream - 2);
  auto& forward = pairs_[id];
  if (!forward) {
    forward = std::make_shared<Forward>(loop_, *this);
    forward->timer = loop_.after(kPairTime, [this, weak = std::weak_ptr(forward)] {
      if (auto late = weak.lock()) fail(late, "timed out waiting for streams");
    });
  }
  uint32_t& place = type == "data" ? forward->data : forward->error;
  if (place != 0 || (forward->port != 0 && forward->port != port)) return refuse(stream);
  place = stream;
  forward->port = port;
  accept(stream);
  if (type == "data") by_data_[stream] = forward;
  if (forward->data == 0 || forward->error == 0) return;
  forward->timer = loop_.after(kConnectTime, [this, weak = std::weak_ptr(forward)] {
    if (auto late = weak.lock()) fail(late, "the target does not answer");
  });
  dial(forward, AF_INET);
}

void PortForward::dial(const ForwardPtr& forward, int family) {
  lane_.post([&loop = loop_, netns = target_.netns, family, weak = std::weak_ptr(forward)] {
    auto fd = std::make_shared<Result<UniqueFd>>(
        kernel::openSocket(netns->get(), family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    loop.post([weak, family, fd] {
      if (auto waiting = weak.lock(); waiting && waiting->session)
        waiting->session->onSocket(waiting, family, std::move(*fd));
    });
  });
}

void PortForward::onSocket(const ForwardPtr& forward, int family, Result<UniqueFd> fd) {
  if (!fd) return fail(forward, fd.error().text);
  const bool v4 = family == AF_INET;
  error_code error;
  forward->socket.assign(v4 ? tcp::v4() : tcp::v6(), fd->get(), error);
  if (error) return fail(forward, error.message());
  fd->release();
  tcp::endpoint localhost(v4 ? asio::ip::address(asio::ip::address_v4::loopback())
                             : asio::ip::address(asio::ip::address_v6::loopback()),
                          forward->port);
  forward->socket.async_connect(localhost, [forward, v4](error_code failed) {
    PortForward* session = forward->session;
    if (!session) return;
    if (!failed) return session->onConnected(forward);
    error_code ignored;
    forward->socket.close(ignored);
    if (v4) {
      forward->v4_error = failed.message();
      return session->dial(forward, AF_INET6);
    }
    session->fail(forward,
                  fmt::format("failed to connect to localhost:{} inside namespace \"{}\", IPv4: dial "
                              "tcp4 127.0.0.1:{}: {} IPv6 dial tcp6: [::1]:{}: {}",
                              forward->port, session->target_.uid.str(), forward->port, forward->v4_error,
                              forward->port, failed.message()));
  });
}

void PortForward::onConnected(const ForwardPtr& forward) {
  forward->timer.reset();
  forward->connected = true;
  error_code ignored;
  forward->socket.set_option(tcp::no_delay(true), ignored);
  writeNext(forward);
  readNext(forward);
}

// ---- client to target ----

void PortForward::onData(uint32_t stream, std::string bytes, bool fin) {
  const auto found = by_data_.find(stream);
  if (found == by_data_.end()) return;
  const ForwardPtr forward = found->second;
  if (fin) forward->client_done = true;
  if (!bytes.empty()) {
    queued_ += bytes.size();
    forward->queue.push_back(std::move(bytes));
  }
  writeNext(forward);
}

void PortForward::writeNext(const ForwardPtr& forward) {
  if (!forward->connected || forward->writing) return;
  if (forward->queue.empty()) {
    error_code ignored;
    if (forward->client_done) forward->socket.shutdown(tcp::socket::shutdown_send, ignored);
    return endIfDone(forward);
  }
  forward->writing = true;
  asio::async_write(forward->socket, asio::buffer(forward->queue.front()),
                    [forward](error_code error, size_t) {
                      forward->writing = false;
                      PortForward* session = forward->session;
                      if (!session) return;
                      if (error) return session->fail(forward, error.message());
                      session->queued_ -= forward->queue.front().size();
                      forward->queue.pop_front();
                      session->writeNext(forward);
                      session->readOn();
                    });
}

// ---- target to client ----

void PortForward::readNext(const ForwardPtr& forward) {
  forward->socket.async_read_some(asio::buffer(forward->piece), [forward](error_code error, size_t size) {
    PortForward* session = forward->session;
    if (!session) return;
    if (error && error != asio::error::eof) return session->fail(forward, error.message());
    if (error) {
      forward->target_done = true;
      session->send(forward->data, "", true, {});
      session->send(forward->error, "", true, {});
      return session->endIfDone(forward);
    }
    session->send(forward->data, {forward->piece.data(), size}, false, [forward] {
      if (forward->session) forward->session->readNext(forward);
    });
  });
}

// ---- ends ----

void PortForward::onReset(uint32_t stream) {
  const auto found = by_data_.find(stream);
  if (found != by_data_.end()) drop(ForwardPtr(found->second));
}

void PortForward::endIfDone(const ForwardPtr& forward) {
  if (forward->target_done && forward->client_done && forward->queue.empty()) drop(forward);
}

void PortForward::fail(const ForwardPtr& forward, const std::string& why) {
  if (forward->error != 0)
    send(forward->error,
         fmt::format("error forwarding port {} to pod {}, uid {}: {}", forward->port, target_.pod,
                     target_.uid.str(), why),
         true, {});
  if (forward->data != 0) reset(forward->data);
  drop(forward);
}

void PortForward::endSocket(Forward& forward) {
  forward.session = nullptr;
  forward.timer.reset();
  error_code ignored;
  forward.socket.close(ignored);
}

void PortForward::drop(const ForwardPtr& forward) {
  const ForwardPtr kept = forward;
  endSocket(*kept);
  for (const std::string& bytes : kept->queue) queued_ -= bytes.size();
  by_data_.erase(kept->data);
  std::erase_if(pairs_, [&](const auto& pair) { return pair.second == kept; });
  readOn();
}

Result<Target> findTarget(const Kubelet& kubelet, runtime::Runtime& runtime, const Call& call) {
  const auto view = TRY(kubelet.pod(call.capture("namespace"), call.capture("pod")));
  const PodUid uid(view->pod->metadata.uid);
  const auto wanted = call.captures.find("uid");
  if (wanted != call.captures.end() && wanted->second != uid.str())
    return makeError(Code::kNotFound, "pod not found");
  Stop stop(kOpenTime);
  auto netns = TRY(runtime.openNetns(uid, stop));
  return Target{view->pod->metadata.name, uid, std::make_shared<UniqueFd>(std::move(netns))};
}

}  // namespace

void handlePortForward(Loop& loop, Lane& lane, const Kubelet& kubelet, runtime::Runtime& runtime, Call call,
                       Respond respond) {
  const char* wanted = call.stream == Call::Stream::kWebSocket ? kTunnel : kProtocol;
  const auto& offered = call.subprotocols;
  if (call.stream == Call::Stream::kNone ||
      std::find(offered.begin(), offered.end(), wanted) == offered.end())
    return respond(Reply::ofError(
        makeError(Code::kInvalidArgument,
                  "port-forward: expected an upgrade to SPDY/3.1 with protocol {}, or to a WebSocket with {}",
                  kProtocol, kTunnel)));
  lane.post([&loop, &lane, &kubelet, &runtime, call = std::move(call), wanted, respond = std::move(respond)] {
    auto target = std::make_shared<Result<Target>>(findTarget(kubelet, runtime, call));
    loop.post([&loop, &lane, target, wanted, respond] {
      if (!target->ok()) return respond(Reply::ofError(target->error()));
      respond(Upgrade{wanted, std::make_unique<PortForward>(loop, lane, std::move(*target).value())});
    });
  });
}

}  // namespace keelson::kubelet::server
