// systemd's notification protocol. sd_notify(3).
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace keelson::agent {

// Sends `state` ("READY=1", "WATCHDOG=1", "STOPPING=1") to $NOTIFY_SOCKET; does nothing when systemd is not
// there. Any thread. libsystemd would be a library and its own libraries for one datagram.
void notifySystemd(std::string_view state);

// Half of $WATCHDOG_USEC, the interval at which WATCHDOG=1 is due; absent when no watchdog watches us.
std::optional<Duration> watchdogInterval();

}  // namespace keelson::agent
