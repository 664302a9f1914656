// keelctl's side of the status socket.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::keelctl {

using Query = std::vector<std::pair<std::string, std::string>>;

// "/path?name=value&..." with every part percent-encoded as needed.
std::string makeTarget(const std::vector<std::string>& parts, const Query& query = {});

// Blocking calls to the daemon. One thread. An answer of status 400 and above is an Error with the daemon's
// message.
class Client {
 public:
  explicit Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  Result<json::value> getJson(const std::string& target) const;
  Result<json::value> send(const std::string& method, const std::string& target) const;
  // The body's pieces as they come, until the daemon ends it or `sink` returns false.
  Result<void> stream(const std::string& target, const std::function<bool(std::string_view)>& sink) const;
  // POST with a body read from `fd` to its end.
  Result<json::value> upload(const std::string& target, int fd) const;

  const std::string& socketPath() const { return socket_path_; }

 private:
  std::string socket_path_;
};

}  // namespace keelson::keelctl
