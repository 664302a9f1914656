// Names of signals, as images and pods give them.
#pragma once

#include <string_view>

#include "base/result.h"

namespace keelson::runtime {

// "SIGTERM", "TERM", "term", "15", "SIGRTMIN+3", "RTMAX-2". kInvalidArgument for anything else.
Result<int> parseSignal(std::string_view text);

// What stops a container: lifecycle.stopSignal, else the image's STOPSIGNAL, else SIGTERM. A name that cannot
// be read counts as SIGTERM, as containerd treats it.
int stopSignal(std::string_view lifecycle_signal, std::string_view image_signal);

}  // namespace keelson::runtime
