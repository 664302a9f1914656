// systemd-logind as far as a node needs it: to hear of a shutdown and to hold it up for a while.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::kubelet::node {

// https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.login1.html Home: loop; nothing
// blocks, and no callback runs from inside the call that takes it, nor after destruction.
class Logind {
 public:
  virtual ~Logind() = default;

  // InhibitDelayMaxSec as it acts now.
  virtual void currentInhibitDelay(std::function<void(Result<Duration>)> done) = 0;
  // Writes the drop-in that sets InhibitDelayMaxSec and tells logind to read it. It acts a little later.
  virtual void overrideInhibitDelay(Duration delay, std::function<void(Result<void>)> done) = 0;
  // A "delay" lock on shutdown: held until the descriptor is closed.
  virtual void acquireLock(std::function<void(Result<UniqueFd>)> done) = 0;
  // `on_change`: true when the shutdown begins, false when it was called off. `on_lost`: the bus is gone, and
  // this object of no more use. Set once.
  virtual void watch(std::function<void(bool)> on_change, std::function<void(Error)> on_lost) = 0;
};

inline constexpr char kInhibitDropIn[] = "/etc/systemd/logind.conf.d/99-kubelet.conf";

// The text of that drop-in.
std::string renderInhibitDropIn(Duration delay);

// Connects to the system bus (sd-bus on the loop; DBUS_SYSTEM_BUS_ADDRESS says where, if set). kUnavailable
// where there is none.
Result<std::unique_ptr<Logind>> connectLogind(Loop& loop, const std::string& drop_in = kInhibitDropIn);

}  // namespace keelson::kubelet::node
