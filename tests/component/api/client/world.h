// A loop, a lane and a client, driven from the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>

#include "api/client/http_api_client.h"
#include "base/executor.h"

namespace keelson::api::client {

// Runs `loop` on the test's own thread until a callback calls stop(); a guard ends a test that hangs. A Loop
// runs once, so a test is one run(). Owned by the test.
class ClientWorld {
 public:
  Loop loop;
  std::unique_ptr<Lane> lane = std::make_unique<Lane>("test", 2);
  std::unique_ptr<ApiClient> client;

  ~ClientWorld() {
    client.reset();
    lane->join();
  }

  static Connection connectionTo(const std::string& url) {
    Connection connection;
    connection.server = url;
    return connection;
  }
  Result<void> open(Connection connection) {
    ClientSettings settings;
    settings.connection = std::move(connection);
    settings.user_agent = "keelson/test";
    return open(std::move(settings));
  }
  Result<void> open(ClientSettings settings) {
    auto made = makeHttpApiClient(loop, *lane, std::move(settings));
    if (!made) return std::move(made).error();
    client = std::move(made).value();
    return {};
  }
  void run(Duration limit = std::chrono::seconds(20)) {
    const Registration guard = loop.after(limit, [this] {
      ADD_FAILURE() << "the test hangs";
      loop.stop();
    });
    loop.run();
  }
  // Sends one request, runs the loop to its answer.
  Result<json::value> ask(ApiRequest request) {
    std::optional<Result<json::value>> answer;
    const Call call = client->send(std::move(request), [&](Result<json::value> got) {
      answer = std::move(got);
      loop.stop();
    });
    run();
    if (!answer) return makeError(Code::kInternal, "no answer");
    return std::move(*answer);
  }
};

}  // namespace keelson::api::client
