// A small API server with nodes and leases, a watch on one node, and a loop that a test turns.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/client/api_client.h"
#include "api/codec.h"
#include "api/node.h"
#include "base/executor.h"
#include "kubelet/node/node_watch.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::kubelet::node {

// Keeps objects by path, with resource versions and uids; applies the strategic merge patches that a node
// makes (conditions by type, addresses with $patch). `fail` answers the next requests of a method with
// errors.
class SmallApiServer final : public api::client::ApiClient {
 public:
  explicit SmallApiServer(Loop& loop) : loop_(loop) {}

  struct Seen {
    std::string method, path;
    json::value body;
    bool heartbeat = false;
  };
  std::vector<Seen> seen;
  std::map<std::string, json::object> objects;
  std::map<std::string, std::deque<Error>> fail;  // by method
  std::function<void(const std::string& path)> on_change = [](const auto&) {};

  size_t count(const std::string& method) const {
    size_t n = 0;
    for (const auto& request : seen) n += request.method == method ? 1 : 0;
    return n;
  }
  void touch(const std::string& path) {
    objects[path]["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
    on_change(path);
  }

  api::client::Call send(api::client::ApiRequest request, Done done) override {
    struct Pending final : api::client::Call::Impl {
      std::shared_ptr<bool> alive = std::make_shared<bool>(true);
    };
    seen.push_back({request.method, request.path, request.body,
                    request.request_class == api::client::ApiRequest::Class::kHeartbeat});
    auto pending = std::make_unique<Pending>();
    loop_.post([this, alive = std::weak_ptr(pending->alive), request, done] {
      if (alive.expired()) return;
      done(answer(request));
    });
    return api::client::Call(std::move(pending));
  }
  api::client::Call stream(api::client::ApiRequest, Duration, StreamHandler) override { return {}; }
  const std::string& server() const override { return server_; }

 private:
  static void mergeList(json::value& into, const json::array& patch) {
    json::array out;
    for (const auto& item : patch)
      if (item.as_object().contains("$patch")) {
        for (const auto& part : patch)
          if (!part.as_object().contains("$patch")) out.push_back(part);
        into = std::move(out);
        return;
      }
    if (into.is_array()) out = into.get_array();
    for (const auto& item : patch) {
      json::value* found = nullptr;
      for (auto& old : out)
        if (old.at("type") == item.at("type")) found = &old;
      if (found == nullptr)
        out.push_back(item);
      else
        for (const auto& member : item.as_object()) found->as_object()[member.key()] = member.value();
    }
    into = std::move(out);
  }
  static void merge(json::object& into, const json::object& patch) {
    for (const auto& member : patch) {
      if (member.key().starts_with("$")) continue;
      if (member.value().is_null())
        into.erase(member.key());
      else if (member.key() == "conditions" || member.key() == "addresses")
        mergeList(into[member.key()], member.value().as_array());
      else if (member.value().is_object()) {
        if (!into[member.key()].is_object()) into[member.key()] = json::object();
        merge(into[member.key()].as_object(), member.value().as_object());
      } else
        into[member.key()] = member.value();
    }
  }

  Result<json::value> answer(const api::client::ApiRequest& request) {
    if (auto& errors = fail[request.method]; !errors.empty()) {
      Error error = errors.front();
      errors.pop_front();
      return error;
    }
    std::string path = request.path;
    if (request.method == "POST")
      path += "/" + std::string(request.body.at("metadata").at("name").as_string());
    if (path.ends_with("/status")) path.resize(path.size() - 7);
    const bool exists = objects.contains(path);
    if (request.method == "POST") {
      if (exists) return makeError(Code::kAlreadyExists, "409 {}", path);
      objects[path] = request.body.as_object();
      objects[path]["metadata"].as_object()["uid"] = "uid-" + std::to_string(++version_);
      touch(path);
      return json::value(objects[path]);
    }
    if (!exists) return makeError(Code::kNotFound, "404 {}", path);
    if (request.method == "PATCH") {
      merge(objects[path], request.body.as_object());
      touch(path);
    } else if (request.method == "PUT") {
      if (request.body.at("metadata").at("resourceVersion") !=
          objects[path]["metadata"].at("resourceVersion"))
        return makeError(Code::kFailedPrecondition, "409 {}", path);
      objects[path] = request.body.as_object();
      touch(path);
    }
    return json::value(objects[path]);
  }

  Loop& loop_;
  uint64_t version_ = 0;
  std::string server_ = "https://small.test";
};

struct NodeWorld : testing::Test {
  Loop loop;
  FakeClock clock;
  SmallApiServer server{loop};

  // Turns the loop until `so`; false after ten seconds.
  bool runUntil(const std::function<bool()>& so) {
    bool reached = so();
    if (reached) return true;
    const auto poll = loop.every(std::chrono::milliseconds(1), [&] {
      reached = so();
      if (reached) loop.stop();
    });
    const auto deadline = loop.after(std::chrono::seconds(10), [&] { loop.stop(); });
    loop.context().restart();  // stop() of an earlier turn counts until then
    loop.run();
    return reached;
  }
  // Runs what is due now and what that posts, a bounded number of rounds.
  void settle() {
    int rounds = 0;
    std::function<void()> again = [&] {
      if (++rounds < 50)
        loop.post(again);
      else
        loop.stop();
    };
    loop.post(again);
    loop.context().restart();
    loop.run();
  }
};

}  // namespace keelson::kubelet::node
