// When a request that failed is made again.
#pragma once

#include "base/backoff.h"

namespace keelson::kubelet::cluster {

// 1 s doubled up to 30 s, anew after two quiet minutes.
inline constexpr BackoffPolicy kRequestBackoff{std::chrono::seconds(1), std::chrono::seconds(30),
                                               std::chrono::minutes(2)};

// Between three quarters and five quarters of `delay`, so that many pods or nodes do not come back at once.
Duration jittered(Duration delay);

}  // namespace keelson::kubelet::cluster
