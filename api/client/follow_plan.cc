#include "api/client/follow_plan.h"

namespace keelson::api::client {
namespace {

constexpr Duration kListTimeout = std::chrono::seconds(60);
constexpr Duration kWatchHeadTimeout = std::chrono::seconds(20);
constexpr Duration kShortWatch = std::chrono::seconds(1);  // client-go's "very short watch"
constexpr Duration kHealthyWatch = std::chrono::seconds(10);
constexpr Duration kProbeEvery = std::chrono::minutes(5);
constexpr Duration kProbeIdle = std::chrono::seconds(10);
constexpr int kSilentWatches = 3;
constexpr int kProofs = 2;
constexpr size_t kMaxPages = 100'000;

// Backoff speaks of wall time; only differences count in it, and steady ones do not jump.
WallTime asWall(SteadyTime now) { return WallTime(now.time_since_epoch()); }

}  // namespace

FollowPlan::FollowPlan(Collection collection, FollowSettings settings, Random random)
    : collection_(std::move(collection)), settings_(settings), random_(std::move(random)) {}

ApiRequest FollowPlan::request() const {
  ApiRequest out;
  out.path = collection_.path;
  if (!collection_.field_selector.empty())
    out.query.emplace_back("fieldSelector", collection_.field_selector);
  if (!collection_.label_selector.empty())
    out.query.emplace_back("labelSelector", collection_.label_selector);
  return out;
}

// resourceVersion by https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions; "0"
// takes no limit, as the watch cache ignores it.
FollowPlan::Step FollowPlan::list(Listing next) {
  List step{request()};
  auto& query = step.request.query;
  step.request.timeout = kListTimeout;
  step.kind = next.from == From::kConsistent ? ListKind::kConsistent : ListKind::kCached;
  step.page = next.token.empty() ? List::Page::kFirst : List::Page::kNext;
  const bool limited = next.from == From::kConsistent && next.paged && settings_.page > 0;
  if (next.token.empty() && next.from == From::kAny) query.emplace_back("resourceVersion", "0");
  if (next.token.empty() && next.from == From::kNotOlder) {
    query.emplace_back("resourceVersion", version_);
    query.emplace_back("resourceVersionMatch", "NotOlderThan");
  }
  if (limited || !next.token.empty())
    query.emplace_back("limit", std::to_string(std::max<int64_t>(settings_.page, 1)));
  if (!next.token.empty()) query.emplace_back("continue", next.token);
  phase_ = std::move(next);
  return step;
}

FollowPlan::Step FollowPlan::watch(SteadyTime now, Watching how) {
  Watch step{request(), how.probe ? kProbeIdle : settings_.idle};
  const double seconds = std::chrono::duration<double>(settings_.watch_min).count() * (1 + random_());
  auto& query = step.request.query;
  query.emplace_back("watch", "true");
  query.emplace_back("resourceVersion", how.probe ? "0" : version_);
  query.emplace_back("allowWatchBookmarks", "true");
  query.emplace_back("timeoutSeconds", std::to_string(std::max<int64_t>(1, static_cast<int64_t>(seconds))));
  step.request.timeout = how.probe ? kProbeIdle : kWatchHeadTimeout;
  how.since = now;
  phase_ = how;
  return step;
}

FollowPlan::Step FollowPlan::waitFor(Duration delay, Waiting then) {
  phase_ = std::move(then);
  return Wait{delay};
}

FollowPlan::Step FollowPlan::retry(SteadyTime now, Waiting then) {
  backoff_ = backoff_.next(settings_.backoff, asWall(now));
  const auto jitter = std::chrono::duration_cast<Duration>(backoff_.delay * random_());
  return waitFor(backoff_.delay + jitter, std::move(then));
}

FollowPlan::Step FollowPlan::pollLater(SteadyTime now) {
  if (!poll_.active) poll_ = {true, now + kProbeEvery};
  const auto jitter = std::chrono::duration_cast<Duration>(settings_.poll_interval * (0.1 * random_()));
  return waitFor(settings_.poll_interval + jitter, Waiting{Listing{From::kNotOlder}});
}

FollowPlan::Step FollowPlan::start() { return list(Listing{}); }

FollowPlan::Step FollowPlan::listed(const std::string& version, const std::string& continue_token,
                                    SteadyTime now) {
  if (const auto* listing = std::get_if<Listing>(&phase_); listing != nullptr && !continue_token.empty()) {
    if (listing->pages >= kMaxPages) {
      return listFailed(makeError(Code::kInternal, "a list of more than {} pages", kMaxPages), now);
    }
    Listing next = *listing;
    next.token = continue_token;
    ++next.pages;
    return list(std::move(next));
  }
  version_ = version;
  if (!poll_.active) return watch(now, {now, 0, false, true});
  if (now < poll_.probe_at) return pollLater(now);
  return watch(now, {now, 0, true, true});
}

FollowPlan::Step FollowPlan::listFailed(const Error& error, SteadyTime now) {
  proofs_ = 0;
  Listing next = std::holds_alternative<Listing>(phase_) ? std::get<Listing>(phase_) : Listing{};
  const bool in_midst = !next.token.empty();
  next.token.clear();
  next.pages = 0;
  if (error.code == Code::kDataLoss) {
    // A continue token that expired: the whole list at once, as client-go's pager does.
    if (in_midst) return list(Listing{From::kConsistent, "", false});
    next.from = From::kConsistent;
  } else if (error.code == Code::kResourceExhausted) {
    next = Listing{From::kConsistent};  // too large for one answer
  }
  return retry(now, Waiting{std::move(next)});
}

std::optional<FollowPlan::Step> FollowPlan::framesCame(size_t frames, const std::string& version,
                                                       SteadyTime now) {
  auto* watching = std::get_if<Watching>(&phase_);
  if (watching == nullptr || frames == 0) return std::nullopt;
  watching->frames += frames;
  silent_ = proofs_ = 0;
  backoff_ = {};
  if (watching->probe) {
    // Frames get through. They began at any version, so deletions may be missing: watch from ours.
    poll_.active = false;
    return watch(now, {now});
  }
  if (!version.empty() && !isOlder(version, version_)) version_ = version;
  return std::nullopt;
}

FollowPlan::Step FollowPlan::watchEnded(const Result<void>& result, SteadyTime now) {
  const Watching ended =
      std::holds_alternative<Watching>(phase_) ? std::get<Watching>(phase_) : Watching{now};
  if (ended.probe) {
    poll_.probe_at = now + kProbeEvery;
    return pollLater(now);
  }
  const Duration lived = now - ended.since;
  if (lived >= kHealthyWatch) backoff_ = {};
  const Code code = result.ok() ? Code::kInternal : result.error().code;
  if (!result.ok() && (code == Code::kDataLoss || code == Code::kInvalidArgument)) {
    return retry(now, Waiting{Listing{From::kConsistent}});
  }
  const bool at_once = result.ok() ? ended.frames > 0 || lived >= kShortWatch
                                   : lived >= kHealthyWatch && code == Code::kDeadlineExceeded;
  const bool silent = ended.frames == 0 && (!result.ok() || lived < kHealthyWatch);
  if (silent) return afterSilence(ended, at_once, now);
  return at_once ? watch(now, {now}) : retry(now, Waiting{});
}

FollowPlan::Step FollowPlan::afterSilence(const Watching& ended, bool at_once, SteadyTime now) {
  ++silent_;
  if (ended.after_list && silent_ > kSilentWatches) ++proofs_;
  const bool may_poll = settings_.poll_interval > Duration{0};
  if (may_poll && proofs_ >= kProofs) return pollLater(now);
  if (may_poll && silent_ >= kSilentWatches) return retry(now, Waiting{Listing{From::kNotOlder}});
  return at_once ? watch(now, {now}) : retry(now, Waiting{});
}

FollowPlan::Step FollowPlan::woken(SteadyTime now) {
  Waiting waiting = std::holds_alternative<Waiting>(phase_) ? std::get<Waiting>(phase_) : Waiting{};
  if (waiting.list) return list(std::move(*waiting.list));
  return watch(now, {now});
}

}  // namespace keelson::api::client
