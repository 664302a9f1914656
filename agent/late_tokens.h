// Service account tokens for a kubelet that starts before its API server is known.
#pragma once

#include <memory>

#include "base/guarded.h"
#include "kubelet/token_source.h"

namespace keelson::agent {

// Answers "not yet" until the real source is there. Any thread.
class LateTokens final : public kubelet::TokenSource {
 public:
  void set(std::shared_ptr<kubelet::TokenSource> source) { source_.exchange(std::move(source)); }
  Result<kubelet::TokenPtr> get(const kubelet::TokenKey& key) override {
    const auto source = source_.copy();
    if (!source)
      return makeError(Code::kUnavailable, "token of {}/{}: the API server is not known yet", key.name_space,
                       key.service_account);
    return source->get(key);
  }

 private:
  Guarded<std::shared_ptr<kubelet::TokenSource>> source_;
};

}  // namespace keelson::agent
