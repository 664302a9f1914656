#include "kubelet/server/spdy_session.h"

namespace keelson::kubelet::server::spdy {

void Session::start(Channel& channel) {
  channel_ = &channel;
  readOn();
}

void Session::readOn() {
  if (!channel_ || reading_ || finished_ || !wantsMore()) return;
  reading_ = true;
  channel_->receive();
}

void Session::onMessage(std::string_view message) {
  reading_ = false;
  auto frames = reader_.feed(message);
  if (!frames) return finish();
  for (Frame& frame : *frames) {
    if (finished_) return;
    dispatch(std::move(frame));
  }
  readOn();
}

void Session::dispatch(Frame frame) {
  if (auto* syn = std::get_if<SynStream>(&frame)) return onSyn(std::move(*syn));
  if (auto* ping = std::get_if<Ping>(&frame)) {
    // Clients have odd numbers; an even one would be the answer to a ping of ours, and there is none.
    if (ping->id % 2 == 1) channel_->send(Writer::ping(ping->id), {});
    return;
  }
  if (auto* gone = std::get_if<Reset>(&frame)) {
    if (streams_.erase(gone->stream) > 0) onReset(gone->stream);
    return;
  }
  auto* data = std::get_if<Data>(&frame);
  if (!data) return;  // a reply to nothing we opened; the client's GOAWAY, after which it closes
  const auto found = streams_.find(data->stream);
  if (found == streams_.end() || found->second.theirs) return;  // on its way when the stream ended
  found->second.theirs = data->fin;
  const uint32_t stream = data->stream;
  if (found->second.theirs && found->second.ours) streams_.erase(found);
  onData(stream, std::move(data->bytes), data->fin);
}

void Session::onSyn(SynStream syn) {
  if (syn.stream % 2 == 0 || syn.stream <= last_) return finish();
  last_ = syn.stream;
  if (streams_.size() >= kMaxStreams) return refuse(syn.stream);
  streams_[syn.stream].theirs = syn.fin;
  onStream(syn.stream, syn.headers);
}

void Session::accept(uint32_t stream) { channel_->send(writer_.synReply(stream, {}), {}); }

void Session::refuse(uint32_t stream) {
  streams_.erase(stream);
  channel_->send(Writer::reset(stream, kRefusedStream), {});
}

void Session::reset(uint32_t stream) {
  if (streams_.erase(stream) > 0) channel_->send(Writer::reset(stream, kCancel), {});
}

void Session::send(uint32_t stream, std::string_view bytes, bool fin, std::function<void()> sent) {
  const auto found = streams_.find(stream);
  if (finished_ || found == streams_.end() || found->second.ours) {
    if (sent && !finished_) sent();
    return;
  }
  found->second.ours = fin;
  if (fin && found->second.theirs) streams_.erase(found);
  channel_->send(Writer::data(stream, bytes, fin), std::move(sent));
}

void Session::finish() {
  if (std::exchange(finished_, true)) return;
  channel_->send(Writer::goAway(last_), {});
  channel_->close();
}

}  // namespace keelson::kubelet::server::spdy
