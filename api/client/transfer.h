// One request and its answer as a libcurl transfer.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/client/access.h"
#include "api/client/api_client.h"
#include "api/client/lines.h"

namespace keelson::api::client {

// Owns the easy handle and what came so far. Whoever adds it to a CurlMulti removes it before destroying it.
// Home: loop.
class Transfer {
 public:
  enum class Shape { kAnswer, kStream };
  // Called from inside libcurl when head or data came; must only take a note.
  using OnProgress = std::function<void()>;

  // kInvalidArgument for a path or a method that is none.
  static Result<std::unique_ptr<Transfer>> make(const ApiRequest& request, Shape shape,
                                                std::shared_ptr<const Access> access,
                                                const std::string& user_agent, OnProgress on_progress);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // The transfer of a handle that make() gave.
  static Transfer& of(CURL* easy);
  CURL* easy() const { return easy_.get(); }
  uint64_t id = 0;  // of the owner's

  const std::shared_ptr<const Access>& access() const { return access_; }
  bool headSeen() const { return head_seen_; }
  int status() const;
  bool success() const { return status() / 100 == 2; }
  // The Retry-After of the answer, 0 if it has none.
  Duration retryAfter() const;
  // A stream's whole lines since the last call.
  std::string takeLines() { return lines_.take(); }
  // A stream that ended in the midst of a line.
  bool cutInLine() const { return lines_.partial().find_first_not_of(" \t\r\n") != std::string::npos; }
  std::string takeBody() { return std::move(body_); }
  // Why it ended, if not regularly. kUnavailable (connect, TLS, cut), kDeadlineExceeded,
  // kResourceExhausted (too large).
  Result<void> outcome(CURLcode code) const;

 private:
  struct CloseEasy {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, FreeList>;

  Transfer(Shape shape, std::shared_ptr<const Access> access, OnProgress on_progress);
  static void append(List& list, const std::string& line);
  static size_t onHeader(char* data, size_t size, size_t count, void* self);
  static size_t onBody(char* data, size_t size, size_t count, void* self);
  static int onSocket(void* self, curl_socket_t fd, curlsocktype purpose);
  void setRequest(const ApiRequest& request, const std::string& url, const std::string& user_agent);
  void setWay();
  void setTls();
  bool takeBodyPiece(std::string_view piece);

  const Shape shape_;
  const std::shared_ptr<const Access> access_;  // libcurl reads the PEM texts where they are
  const OnProgress on_progress_;
  List headers_, resolve_, connect_to_;
  std::string request_body_, body_;
  LineSplitter lines_{kMaxWatchLine};
  std::optional<Error> refusal_;
  size_t header_bytes_ = 0;
  bool head_seen_ = false;
  char cause_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<CURL, CloseEasy> easy_;
};

}  // namespace keelson::api::client
