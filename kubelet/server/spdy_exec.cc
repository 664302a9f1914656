#include "kubelet/server/spdy_exec.h"

namespace keelson::kubelet::server {
namespace {

constexpr size_t kMaxPending = 256 * 1024;

std::optional<char> channelNamed(const spdy::Headers& headers) {
  static const std::map<std::string, char> kNames = {
      {"error", kStatus}, {"stdin", kStdin}, {"stdout", kStdout}, {"stderr", kStderr}, {"resize", kResize}};
  const auto type = headers.find("streamtype");
  const auto found = type == headers.end() ? kNames.end() : kNames.find(type->second);
  return found == kNames.end() ? std::nullopt : std::optional<char>(found->second);
}

}  // namespace

SpdyExec::SpdyExec(Loop& loop, std::set<char> expected, std::unique_ptr<Conversation> inner)
    : expected_(std::move(expected)), inner_(std::move(inner)) {
  creation_ = loop.after(kStreamCreationTime, [this] { finish(); });
}

std::optional<char> SpdyExec::channelOf(uint32_t stream) const {
  for (const auto& [channel, id] : streams_)
    if (id == stream) return channel;
  return std::nullopt;
}

void SpdyExec::onStream(uint32_t stream, const spdy::Headers& headers) {
  const auto channel = channelNamed(headers);
  if (!channel || !streams_.emplace(*channel, stream).second) return refuse(stream);
  accept(stream);
  expected_.erase(*channel);
  if (!expected_.empty() || started_) return;
  started_ = true;
  creation_.reset();
  inner_->start(*this);
}

void SpdyExec::onData(uint32_t stream, std::string bytes, bool fin) {
  const auto channel = channelOf(stream);
  if (!channel) return;
  const auto add = [this](std::string message) {
    pending_bytes_ += message.size();
    pending_.push_back(std::move(message));
  };
  if (!bytes.empty()) add(std::string(1, *channel) + bytes);
  if (fin && *channel == kStdin) add({static_cast<char>(kCloseChannel), kStdin});
  deliver();
}

void SpdyExec::onReset(uint32_t stream) { onData(stream, "", true); }

bool SpdyExec::wantsMore() const { return pending_bytes_ < kMaxPending; }

void SpdyExec::deliver() {
  if (std::exchange(delivering_, true)) return;
  while (wanted_ && !pending_.empty()) {
    wanted_ = false;
    const std::string message = std::move(pending_.front());
    pending_.pop_front();
    pending_bytes_ -= message.size();
    inner_->onMessage(message);
  }
  delivering_ = false;
}

void SpdyExec::send(std::string message, std::function<void()> sent) {
  const auto found = streams_.find(message[0]);
  // The empty message that says "connected" on a WebSocket has no place here.
  if (found == streams_.end() || message.size() == 1) {
    if (sent) sent();
    return;
  }
  Session::send(found->second, std::string_view(message).substr(1), false, std::move(sent));
}

void SpdyExec::receive() {
  wanted_ = true;
  deliver();
  readOn();
}

void SpdyExec::close() {
  for (const char channel : {kStdout, kStderr, kStatus})
    if (const auto found = streams_.find(channel); found != streams_.end())
      Session::send(found->second, "", true, {});
  finish();
}

}  // namespace keelson::kubelet::server
