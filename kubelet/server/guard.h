// Who may do what: asked before anything else of a request is looked at.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

// What is known of a request before its body is read. A plain value.
struct RequestHead {
  std::string method;
  std::string path;           // as sent, without the query
  std::string authorization;  // the header's value
  bool upgrade = false;       // it asks to be turned into a stream
  // DER, the leaf first; proven to be the client's, but by whom they were signed was not looked at.
  std::shared_ptr<const std::vector<std::string>> certificates;
};

// Home: loop. Outlives the server's connections.
class Guard {
 public:
  virtual ~Guard() = default;
  // `verdict` runs once, now or later: none lets the request through, a reply is the answer instead.
  using Verdict = std::function<void(std::optional<Reply>)>;
  virtual void check(RequestHead head, Verdict verdict) = 0;
};

}  // namespace keelson::kubelet::server
