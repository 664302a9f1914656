#include "api/client/follower.h"

#include <random>

namespace keelson::api::client {
namespace {

// A watch that says more than can be decoded is cut and resumed later.
constexpr size_t kMaxUndecoded = size_t{64} << 20;

FollowPlan::Random makeRandom() {
  return [engine = std::make_shared<std::mt19937_64>(std::random_device{}())] {
    return std::uniform_real_distribution<double>(0, 1)(*engine);
  };
}

}  // namespace

Follower::Follower(Loop& loop, Lane& lane, ApiClient& client, Collection collection, FollowSettings settings,
                   DecodeObject decode, const Clock& clock)
    : loop_(loop),
      client_(client),
      clock_(clock),
      decode_(decode),
      strand_(lane, "follow " + collection.path),
      plan_(collection, settings, makeRandom()) {}

void Follower::start(OnChanges on_changes) {
  on_changes_ = std::make_shared<OnChanges>(std::move(on_changes));
  run(plan_.start());
}

void Follower::stop() {
  ++turn_;
  call_.reset();
  timer_.reset();
  on_changes_.reset();
}

FollowStats Follower::stats() const {
  return {synced_, plan_.polling(), plan_.version(), last_error_.empty() ? table_.decodeError() : last_error_,
          lists_,  watches_,        events_};
}

void Follower::run(FollowPlan::Step step) {
  ++turn_;
  call_.reset();
  timer_.reset();
  undecoded_ = 0;
  if (auto* to_list = std::get_if<FollowPlan::List>(&step)) return list(std::move(*to_list));
  if (auto* to_watch = std::get_if<FollowPlan::Watch>(&step)) return watch(std::move(*to_watch));
  timer_ = loop_.after(std::get<FollowPlan::Wait>(step).delay, [this] {
    const auto self = shared_from_this();
    run(plan_.woken(clock_.steady()));
  });
}

void Follower::list(FollowPlan::List step) {
  ++lists_;
  if (step.page == FollowPlan::List::Page::kFirst) pages_.clear();
  call_ = client_.send(std::move(step.request),
                       [weak = weak_from_this(), turn = turn_, kind = step.kind](Result<json::value> answer) {
                         if (const auto self = weak.lock()) self->onList(turn, kind, std::move(answer));
                       });
}

void Follower::onList(uint64_t turn, ListKind kind, Result<json::value> answer) {
  if (turn != turn_) return;
  if (!answer) return onPage(turn, kind, std::move(answer).error());
  // Destroyed on the strand as well: a large document takes its time.
  auto document = std::make_shared<json::value>(std::move(answer).value());
  strand_.post([weak = weak_from_this(), &loop = loop_, decode = decode_, turn, kind,
                document = std::move(document)]() mutable {
    auto page = std::make_shared<Result<Page>>(decodePage(*document, decode));
    document.reset();
    loop.post([weak, turn, kind, page] {
      if (const auto self = weak.lock()) self->onPage(turn, kind, std::move(*page));
    });
  });
}

void Follower::onPage(uint64_t turn, ListKind kind, Result<Page> page) {
  if (turn != turn_) return;
  if (!page) {
    fail(page.error());
    return run(plan_.listFailed(page.error(), clock_.steady()));
  }
  std::move(page->items.begin(), page->items.end(), std::back_inserter(pages_));
  FollowPlan::Step next = plan_.listed(page->resource_version, page->continue_token, clock_.steady());
  if (page->continue_token.empty()) {
    last_error_.clear();
    std::vector<ObjectChange> changes =
        table_.replace(std::exchange(pages_, {}), page->resource_version, kind);
    const bool first = !std::exchange(synced_, true);
    if (first || !changes.empty()) tell(std::move(changes));
    if (turn != turn_) return;
  }
  run(std::move(next));
}

void Follower::watch(FollowPlan::Watch step) {
  ++watches_;
  const auto weak = weak_from_this();
  const uint64_t turn = turn_;
  ApiClient::StreamHandler handler;
  handler.on_lines = [weak, turn](std::string_view lines) {
    if (const auto self = weak.lock()) self->onLines(turn, lines);
  };
  handler.on_end = [weak, turn](Result<void> result) {
    const auto self = weak.lock();
    if (self == nullptr || turn != self->turn_) return;
    // Behind the lines that are still being decoded.
    self->strand_.post([weak, &loop = self->loop_, turn, result = std::move(result)] {
      loop.post([weak, turn, result] {
        if (const auto again = weak.lock()) again->endWatch(turn, result);
      });
    });
  };
  call_ = client_.stream(std::move(step.request), step.idle, std::move(handler));
}

void Follower::onLines(uint64_t turn, std::string_view lines) {
  if (turn != turn_) return;
  if (undecoded_ + lines.size() > kMaxUndecoded) {
    return endWatch(turn, makeError(Code::kUnavailable, "more than {} bytes of the watch wait to be decoded",
                                    kMaxUndecoded));
  }
  undecoded_ += lines.size();
  strand_.post([weak = weak_from_this(), &loop = loop_, decode = decode_, turn, text = std::string(lines)] {
    auto batch = std::make_shared<WatchBatch>(decodeWatch(text, decode));
    loop.post([weak, turn, bytes = text.size(), batch] {
      if (const auto self = weak.lock()) self->onBatch(turn, bytes, std::move(*batch));
    });
  });
}

void Follower::onBatch(uint64_t turn, size_t bytes, WatchBatch batch) {
  if (turn != turn_) return;
  undecoded_ -= bytes;
  events_ += batch.events.size();
  std::vector<ObjectChange> changes;
  for (WatchEvent& event : batch.events) {
    if (event.type == WatchEvent::Type::kSet) {
      table_.set(std::move(event.item), changes);
    } else {
      table_.remove(std::move(event.item), changes);
    }
  }
  if (batch.frames > 0) last_error_.clear();
  auto next = plan_.framesCame(batch.frames, batch.resource_version, clock_.steady());
  if (!changes.empty()) tell(std::move(changes));
  if (turn != turn_) return;
  if (batch.error) return endWatch(turn, std::move(*batch.error));
  if (next) run(std::move(*next));
}

void Follower::endWatch(uint64_t turn, Result<void> result) {
  if (turn != turn_) return;
  if (!result) fail(result.error());
  run(plan_.watchEnded(result, clock_.steady()));
}

void Follower::tell(std::vector<ObjectChange> changes) {
  const auto on_changes = on_changes_;
  if (on_changes != nullptr) (*on_changes)(std::move(changes));
}

}  // namespace keelson::api::client
