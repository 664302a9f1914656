// Text from containers and files made fit for status, events and JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace keelson::kubelet {

// Valid UTF-8 of at most `limit` bytes: what is not becomes U+FFFD, a cut never splits a character, NUL
// becomes a space. Pure.
std::string cleanText(std::string_view text, size_t limit);

// As Go prints a time.Duration of whole seconds, which is how Kubernetes' messages have it: "40s", "1m20s",
// "5m0s".
std::string goDuration(Duration duration);

// The folder of a pod's logs below podLogsDir.
std::string podLogFolder(std::string_view pod_namespace, std::string_view name, std::string_view uid);

}  // namespace keelson::kubelet
