// Service account tokens, as pod workers ask for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace keelson::kubelet {

// Which token: bound to the pod, for one audience ("" is the API server's own), for so long.
struct TokenKey {
  std::string name_space;
  std::string service_account;
  std::string pod_name;
  PodUid pod_uid;
  std::string audience;
  int64_t expiration_seconds = 3600;
  auto operator<=>(const TokenKey&) const = default;
};

// Never logged. Immutable.
struct Token {
  std::string bytes;
  WallTime expires;
};
using TokenPtr = std::shared_ptr<const Token>;

// Has tokens fetched and renewed. Any thread; never blocks.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // The newest token that has not expired. kUnavailable: it was asked for, and the pod is woken when it is
  // here, when it cannot be had, and whenever it is renewed. Other codes say why it cannot be had; it is
  // tried again by itself.
  virtual Result<TokenPtr> get(const TokenKey& key) = 0;
};

}  // namespace keelson::kubelet
