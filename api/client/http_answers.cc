#include "api/client/api_error.h"
#include "api/client/http_core.h"

namespace keelson::api::client {
namespace {

constexpr size_t kParsedOnLoop = size_t{64} << 10;  // larger answers are parsed on the lane
constexpr int kMaxPauses = 10;                      // client-go's number

Result<json::value> parseAnswer(const std::string& body) {
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return json::value(nullptr);
  auto parsed = parseJson(body, kMaxAnswer);
  if (!parsed) return makeError(Code::kInternal, "the answer is no JSON: {}", parsed.error().text);
  return parsed;
}

}  // namespace

void HttpCore::note(Id id) {
  const auto found = calls_.find(id);
  if (found == calls_.end() || std::exchange(found->second->noted, true)) return;
  news_.push_back(id);
  scheduleSettle();
}

void HttpCore::scheduleSettle() {
  if (std::exchange(settle_posted_, true)) return;
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->settle();
  });
}

void HttpCore::settle() {
  settle_posted_ = false;
  const std::vector<Id> news = std::exchange(news_, {});
  const auto finished = std::exchange(finished_, {});
  for (const Id id : news) deliver(id);
  for (const auto& [id, code] : finished) complete(id, code);
}

// Hands a stream's lines over. The call may be gone afterwards.
void HttpCore::deliver(Id id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  CallState& call = *found->second;
  call.noted = false;
  if (call.transfer == nullptr || call.stream == nullptr || !call.transfer->success()) return;
  if (call.last_data == SteadyTime{}) {
    call.timer = loop_.after(call.idle, [this, id] { onTimer(id); });
  }
  noteAnswered(call);
  call.last_data = clock_.steady();
  const std::string lines = call.transfer->takeLines();
  if (lines.empty()) return;
  const auto handler = call.stream;
  handler->on_lines(lines);
}

void HttpCore::complete(Id id, CURLcode code) {
  deliver(id);
  const auto found = calls_.find(id);
  if (found == calls_.end() || found->second->transfer == nullptr) return;
  CallState& call = *found->second;
  Transfer& transfer = *call.transfer;
  if (auto outcome = transfer.outcome(code); !outcome) {
    // A cut on the way may mean that the name leads elsewhere by now, or that the certificate was replaced.
    if (outcome.error().code == Code::kUnavailable) access_at_ = SteadyTime{};
    return finish(id, std::move(outcome).error());
  }
  noteAnswered(call);
  if (transfer.success()) return call.stream ? completeStream(id) : readAnswer(id);
  const int status = transfer.status();
  Error error = answerError(status, transfer.takeBody());
  if (status == 401 && !call.refused_access && source_->credentialsCanChange()) {
    return retryRefused(id, std::move(error));
  }
  if (const Duration after = transfer.retryAfter(); after > Duration{0}) {
    if ((status == 429 || status == 503) && waitOut(call, id)) return;
    error.text += fmt::format(" (retry after {})", formatDuration(after));
  }
  finish(id, std::move(error));
}

void HttpCore::completeStream(Id id) {
  const CallState& call = *calls_.at(id);
  if (call.transfer->cutInLine()) {
    return finish(id, makeError(Code::kUnavailable, "the stream ended in the midst of a line"));
  }
  finish(id, json::value(nullptr));
}

void HttpCore::readAnswer(Id id) {
  CallState& call = *calls_.at(id);
  std::string body = call.transfer->takeBody();
  endTransfer(call);
  if (body.size() <= kParsedOnLoop) return finish(id, parseAnswer(body));
  lane_.post([weak = weak_from_this(), &loop = loop_, id, body = std::move(body)] {
    auto parsed = std::make_shared<Answer>(parseAnswer(body));
    loop.post([weak, id, parsed] {
      if (const auto self = weak.lock()) self->finish(id, std::move(*parsed));
    });
  });
}

void HttpCore::retryRefused(Id id, Error error) {
  CallState& call = *calls_.at(id);
  call.refused = std::move(error);
  call.refused_access = call.transfer->access();
  endTransfer(call);
  refused_.push_back(id);
  refresh(Why::kRefused);
}

// True if the call is sent again after Retry-After, which must fit into its time.
bool HttpCore::waitOut(CallState& call, Id id) {
  const Duration after = call.transfer->retryAfter();
  if (call.pauses >= kMaxPauses || clock_.steady() + after >= call.deadline) return false;
  ++call.pauses;
  endTransfer(call);
  call.pause = loop_.after(after, [this, id] {
    const auto found = calls_.find(id);
    if (found == calls_.end()) return;
    (found->second->heartbeat() ? heartbeats_ : queue_).push_front(id);
    schedulePump(Duration{0});
  });
  return true;
}

}  // namespace keelson::api::client
