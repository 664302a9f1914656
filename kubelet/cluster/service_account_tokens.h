// Service account tokens of the pods on this node, fetched and renewed.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "api/client/api_client.h"
#include "base/executor.h"
#include "kubelet/token_source.h"

namespace keelson::kubelet::cluster {

// When a token is to be renewed: at 80 % of its life or after 24 h, whichever comes first, a little earlier
// by `jitter`. Pure.
WallTime tokenRefreshAt(WallTime expires, std::chrono::seconds lifetime, Duration jitter);
inline constexpr Duration kMaxTokenJitter = std::chrono::seconds(10);

// The request for one token, bound to its pod. Pure.
api::client::ApiRequest tokenRequest(const TokenKey& key);

// One cached token a key, and never two requests for one key at a time. A token is renewed by a timer while
// its pod is retained; when that fails, the old one serves until it expires, and the request is repeated with
// a back-off of 50 ms to 1 min. Tokens are kept in memory only. get(): any thread; all else: loop.
class ServiceAccountTokens : public TokenSource {
 public:
  struct Limits {
    size_t tokens = 16'384;  // get() of further keys is kResourceExhausted
  };
  // `wake` runs on the loop when get() has something new to say for a pod.
  static std::shared_ptr<ServiceAccountTokens> make(Loop& loop, api::client::ApiClient& client, Clock& clock,
                                                    std::function<void(const PodUid&)> wake,
                                                    Limits limits = {16'384});

  // Forgets the tokens of all other pods.
  virtual void retain(const std::set<PodUid>& pods) = 0;
  // Ends requests and timers; get() goes on with what is here.
  virtual void stop() = 0;
};

}  // namespace keelson::kubelet::cluster
