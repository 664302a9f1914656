// What one server allows its clients.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace keelson::kubelet::server {

struct ServerLimits {
  size_t header_bytes = 64 * 1024;
  size_t body_bytes = size_t{1} << 20;                // of bodies that are not streamed
  size_t message_bytes = size_t{1} << 20;             // one WebSocket message
  size_t connections = 4096;                          // further ones are closed at once
  Duration header_time = std::chrono::seconds(10);    // the TLS handshake, and the first request's head
  Duration idle_time = std::chrono::minutes(10);      // between requests, and for a client that takes nothing
  Duration stream_idle_time = std::chrono::hours(4);  // of an upgraded connection, both ways
  Duration close_time = std::chrono::seconds(2);      // for a client to take what was sent last
  bool streams = true;                                // false: whole answers only
};

}  // namespace keelson::kubelet::server
