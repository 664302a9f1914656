#include "kubelet/cluster/retry.h"

#include <string>

#include "base/ids.h"

namespace keelson::kubelet::cluster {

Duration jittered(Duration delay) {
  constexpr int64_t kSteps = 0x10000;
  const int64_t step = std::stol(randomHex(2), nullptr, 16);
  return delay * 3 / 4 + Duration(delay.count() / (2 * kSteps) * step);
}

}  // namespace keelson::kubelet::cluster
