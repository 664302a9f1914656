// The daemon's log: one line an event, to standard error (journald adds the rest).
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

#include "base/result.h"

namespace keelson {

// Only kubelet, proxy and agent log; lower folders return errors. Levels: debug, info, warn, error.
// Format: "<5>" style priority prefix when journald reads us, else time and level.
void initLog(std::string_view level);

}  // namespace keelson

#define LOG_DEBUG(...) ::spdlog::debug(__VA_ARGS__)
#define LOG_INFO(...) ::spdlog::info(__VA_ARGS__)
#define LOG_WARN(...) ::spdlog::warn(__VA_ARGS__)
#define LOG_ERROR(...) ::spdlog::error(__VA_ARGS__)
