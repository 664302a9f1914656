#include "api/client/curl_multi.h"

#include <sys/epoll.h>

#include <array>
#include <cstdlib>

namespace keelson::api::client {
namespace {

constexpr int kEventsPerTurn = 64;
constexpr long kKeptConnections = 8;
constexpr long kStreamsPerConnection = 250;  // what kube-apiserver offers; its SETTINGS have the last word

}  // namespace

CurlMulti::CurlMulti(Loop& loop, OnFinished on_finished)
    : loop_(loop), on_finished_(std::move(on_finished)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = curl_multi_init();
  if (!epoll_ || global != CURLE_OK || multi_ == nullptr) std::abort();  // out of memory or descriptors
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &onSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &onTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKeptConnections);
  curl_multi_setopt(multi_, CURLMOPT_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  readable_ = loop_.onReadable(epoll_.get(), [this] { turn(); });
}

CurlMulti::~CurlMulti() { curl_multi_cleanup(multi_); }

Result<void> CurlMulti::add(CURL* easy) {
  const CURLMcode code = curl_multi_add_handle(multi_, easy);
  if (code != CURLM_OK) return makeError(Code::kInternal, "libcurl: {}", curl_multi_strerror(code));
  return {};
}

void CurlMulti::remove(CURL* easy) { curl_multi_remove_handle(multi_, easy); }

int CurlMulti::onSocket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto& self = *static_cast<CurlMulti*>(user);
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(self.epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);  // gone already if it was closed
    return 0;
  }
  epoll_event event{};
  event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
  event.data.fd = fd;
  if (::epoll_ctl(self.epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return ::epoll_ctl(self.epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

int CurlMulti::onTimer(CURLM*, long timeout_ms, void* user) {
  auto& self = *static_cast<CurlMulti*>(user);
  if (timeout_ms < 0) {
    self.timer_.reset();
    return 0;
  }
  self.timer_ = self.loop_.after(std::chrono::milliseconds(timeout_ms), [&self] {
    self.timer_.reset();
    self.act(CURL_SOCKET_TIMEOUT, 0);
    self.collect();
  });
  return 0;
}

void CurlMulti::turn() {
  std::array<epoll_event, kEventsPerTurn> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    int mask = 0;
    if ((event.events & EPOLLIN) != 0) mask |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) mask |= CURL_CSELECT_ERR | CURL_CSELECT_IN;
    act(event.data.fd, mask);
  }
  collect();
}

void CurlMulti::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
}

void CurlMulti::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) on_finished_(message->easy_handle, message->data.result);
  }
}

}  // namespace keelson::api::client
