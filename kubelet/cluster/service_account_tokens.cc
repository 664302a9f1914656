#include "kubelet/cluster/service_account_tokens.h"

#include <algorithm>
#include <map>
#include <optional>

#include "api/codec.h"
#include "api/names.h"
#include "api/token_request.h"
#include "base/backoff.h"
#include "base/guarded.h"
#include "base/log.h"

namespace keelson::kubelet::cluster {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Duration kMaxTokenAge = hours(24);
// Clocks that disagree must not make a token be renewed all the time.
constexpr Duration kMinRenewal = seconds(30);
// The first tries are quick: the node authorizer may not know yet that the pod is here.
const BackoffPolicy kRetry{std::chrono::milliseconds(50), std::chrono::minutes(1), std::chrono::minutes(10)};
constexpr size_t kMaxTokenBytes = size_t{64} << 10;

// The same for each renewal of a key, different from key to key.
Duration jitterOf(const TokenKey& key) {
  const size_t hash = std::hash<std::string>{}(key.pod_uid.str() + "\n" + key.audience);
  return Duration(static_cast<int64_t>(hash % static_cast<size_t>(kMaxTokenJitter.count())));
}

Result<Token> tokenOf(const Result<json::value>& answer) {
  if (!answer) return answer.error();
  auto decoded = TRY(api::decode<api::TokenRequest>(*answer));
  const auto& status = decoded.value.status;
  if (status.token.empty() || status.token.size() > kMaxTokenBytes || !status.expiration) {
    return makeError(Code::kInternal, "the answer holds no token or no expirationTimestamp");
  }
  return Token{status.token, *status.expiration};
}

class Tokens final : public ServiceAccountTokens, public std::enable_shared_from_this<Tokens> {
 public:
  Tokens(Loop& loop, api::client::ApiClient& client, Clock& clock, std::function<void(const PodUid&)> wake,
         Limits limits)
      : loop_(loop), client_(client), clock_(clock), wake_(std::move(wake)), limits_(limits) {}

  Result<TokenPtr> get(const TokenKey& key) override;
  void retain(const std::set<PodUid>& pods) override;
  void stop() override {
    stopped_ = true;
    work_.clear();
  }

 private:
  // What get() answers from.
  struct Shown {
    TokenPtr token;
    WallTime renew_at;
    std::optional<Error> error;  // of the last request
    bool is_busy = true;         // a request is under way, or waits for its time
  };
  // Loop.
  struct Work {
    api::client::Call call;
    Registration timer;
    Backoff backoff;
  };

  void postRequest(const TokenKey& key);
  void request(const TokenKey& key);
  void answered(const TokenKey& key, const Result<json::value>& answer);
  void requestAfter(const TokenKey& key, Duration delay);
  // Changes what is shown of a key; false if it is forgotten.
  template <class Change>
  bool show(const TokenKey& key, Change change) {
    return shown_.with([&](auto& shown) {
      const auto found = shown.find(key);
      if (found == shown.end()) return false;
      change(found->second);
      return true;
    });
  }

  Loop& loop_;
  api::client::ApiClient& client_;
  Clock& clock_;
  const std::function<void(const PodUid&)> wake_;
  const Limits limits_;
  Guarded<std::map<TokenKey, Shown>> shown_;
  std::map<TokenKey, Work> work_;
  bool stopped_ = false;
};

Result<TokenPtr> Tokens::get(const TokenKey& key) {
  const WallTime now = clock_.wall();
  bool is_due = false;
  auto answer = shown_.with([&](auto& shown) -> Result<TokenPtr> {
    const auto found = shown.find(key);
    if (found == shown.end()) {
      if (shown.size() >= limits_.tokens) {
        return makeError(Code::kResourceExhausted, "failed to fetch token: more than {} tokens are in use",
                         limits_.tokens);
      }
      shown.emplace(key, Shown{});
      is_due = true;
      return makeError(Code::kUnavailable, "failed to fetch token: the request is under way");
    }
    Shown& one = found->second;
    // A timer does not run while the machine sleeps.
    if (one.token && now >= one.renew_at && !one.is_busy) is_due = one.is_busy = true;
    if (one.token && now < one.token->expires) return one.token;
    if (one.error) return *one.error;
    return makeError(Code::kUnavailable, "failed to fetch token: the request is under way");
  });
  if (is_due) postRequest(key);
  return answer;
}

void Tokens::retain(const std::set<PodUid>& pods) {
  const auto is_gone = [&](const auto& entry) { return !pods.count(entry.first.pod_uid); };
  std::erase_if(work_, is_gone);
  shown_.with([&](auto& shown) { std::erase_if(shown, is_gone); });
}

void Tokens::postRequest(const TokenKey& key) {
  loop_.post([weak = weak_from_this(), key] {
    const auto self = weak.lock();
    if (self && !self->stopped_) self->request(key);
  });
}

void Tokens::request(const TokenKey& key) {
  if (!show(key, [](Shown& one) { one.is_busy = true; })) return;  // its pod went meanwhile
  Work& work = work_[key];
  if (work.call.active()) return;
  work.timer.reset();
  if (!api::checkDnsSubdomain(key.service_account).empty() || !api::checkDnsLabel(key.name_space).empty()) {
    show(key, [&](Shown& one) {
      one.error =
          makeError(Code::kInvalidArgument, "failed to fetch token: bad service account name \"{}/{}\"",
                    key.name_space, key.service_account);
    });
    wake_(key.pod_uid);
    return;
  }
  work.call = client_.send(tokenRequest(key), [this, key](const Result<json::value>& answer) {
    answered(key, answer);  // the call ends with *this
  });
}

void Tokens::answered(const TokenKey& key, const Result<json::value>& answer) {
  const auto found = work_.find(key);
  if (found == work_.end()) return;
  Work& work = found->second;
  work.call.reset();
  const auto token = tokenOf(answer);
  const WallTime now = clock_.wall();
  if (!token) {
    work.backoff = work.backoff.next(kRetry, now);
    const std::string text = "failed to fetch token: " + token.error().text;
    LOG_WARN("pod {}/{}: {}", key.name_space, key.pod_name, text);
    // kUnavailable is what was not asked for yet; this has been.
    show(key, [&](Shown& one) { one.error = makeError(Code::kFailedPrecondition, "{}", text); });
    requestAfter(key, work.backoff.delay);
  } else {
    work.backoff = {};
    const WallTime renew_at = std::max(
        now + kMinRenewal, tokenRefreshAt(token->expires, seconds(key.expiration_seconds), jitterOf(key)));
    show(key, [&](Shown& one) {
      one = Shown{std::make_shared<const Token>(*token), renew_at, std::nullopt, false};
    });
    requestAfter(key, renew_at - now);
  }
  wake_(key.pod_uid);
}

void Tokens::requestAfter(const TokenKey& key, Duration delay) {
  work_[key].timer = loop_.after(delay, [this, key] { request(key); });  // the timer ends with *this
}

}  // namespace

WallTime tokenRefreshAt(WallTime expires, seconds lifetime, Duration jitter) {
  const WallTime issued = expires - lifetime;
  return std::min(expires - lifetime / 5, issued + kMaxTokenAge) - jitter;
}

api::client::ApiRequest tokenRequest(const TokenKey& key) {
  api::TokenRequest body;
  if (!key.audience.empty()) body.spec.audiences = {key.audience};
  body.spec.expiration_seconds = key.expiration_seconds;
  body.spec.bound_object = api::BoundObjectReference{"v1", "Pod", key.pod_name, key.pod_uid.str()};
  api::client::ApiRequest request;
  request.method = "POST";
  request.path =
      fmt::format("/api/v1/namespaces/{}/serviceaccounts/{}/token", key.name_space, key.service_account);
  request.body = api::encode(body);
  return request;
}

std::shared_ptr<ServiceAccountTokens> ServiceAccountTokens::make(Loop& loop, api::client::ApiClient& client,
                                                                 Clock& clock,
                                                                 std::function<void(const PodUid&)> wake,
                                                                 Limits limits) {
  return std::make_shared<Tokens>(loop, client, clock, std::move(wake), limits);
}

}  // namespace keelson::kubelet::cluster
