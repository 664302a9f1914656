// libcurl's many transfers on the loop.
#pragma once

#include <curl/curl.h>

#include <functional>

#include "base/executor.h"
#include "base/unique_fd.h"

namespace keelson::api::client {

// One multi handle: its connections, sockets and timer. Sockets stand in an epoll of its own, which the loop
// watches: libcurl wants to know of writing as well as of reading. Transfers are removed before it is
// destroyed. Home: loop.
class CurlMulti {
 public:
  // Told of each ended transfer; must only take a note: no call of this class from inside.
  using OnFinished = std::function<void(CURL*, CURLcode)>;

  CurlMulti(Loop& loop, OnFinished on_finished);
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;
  ~CurlMulti();

  // Nothing is sent from inside. kInternal if libcurl refuses.
  Result<void> add(CURL* easy);
  // Ends the transfer; fine if it ended by itself.
  void remove(CURL* easy);

 private:
  static int onSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int onTimer(CURLM* multi, long timeout_ms, void* self);
  void turn();
  void act(curl_socket_t fd, int events);
  void collect();

  Loop& loop_;
  OnFinished on_finished_;
  UniqueFd epoll_;
  CURLM* multi_;
  Registration readable_, timer_;
};

}  // namespace keelson::api::client
