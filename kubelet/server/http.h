// HTTP as the node's handlers see it: calls, replies, streams, conversations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::kubelet::server {

// One request, its body included unless the route streams it. A plain value.
struct Call {
  std::string method;
  std::string path;                             // decoded, without the query
  std::map<std::string, std::string> captures;  // of the route's {name} parts
  std::multimap<std::string, std::string> query;
  std::string body;
  enum class Stream { kNone, kWebSocket, kSpdy } stream = Stream::kNone;  // what it asks to be turned into
  std::vector<std::string> subprotocols;  // of that upgrade, in the client's order

  const std::string& capture(const std::string& name) const { return captures.at(name); }
  std::string queryValue(const std::string& name) const;  // "" if absent
  std::vector<std::string> queryValues(const std::string& name) const;
  // "1", "true" and the bare name are true, as kubelet reads them.
  bool queryFlag(const std::string& name) const;
  // A decimal in [low, high]; absent gives `absent`; anything else kInvalidArgument naming it.
  Result<int64_t> queryNumber(const std::string& name, int64_t low, int64_t high, int64_t absent) const;
};

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::string message;  // of an error: its sentence alone, for clients that show a body as it is

  static Reply ofJson(const json::value& value);
  static Reply ofText(std::string text);
  // A metav1.Status of kind Failure with the HTTP status that fits the code.
  static Reply ofError(const Error& error);
};

// A reply's body made piece by piece. Home: loop. Owned by the connection.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Hands the next piece to `done`, now or later; an empty one is the end, an error cuts the
  // connection. Never called again before `done` ran. Destruction cancels a pending `done`.
  virtual void next(std::function<void(Result<std::string>)> done) = 0;
};

// A request's body taken piece by piece. Home: loop. Owned by the connection.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // `done` when the next piece may come: this is the back-pressure.
  virtual void write(std::string piece, std::function<void(Result<void>)> done) = 0;
  // The body has ended; the reply. Destruction before this means that the client went away.
  virtual void finish(std::function<void(Reply)> done) = 0;
};

// The connection's side of a WebSocket, or of a plain stream of bytes (SPDY), whose messages are pieces as
// they come. Home: loop. Valid until Conversation is destroyed.
class Channel {
 public:
  virtual ~Channel() = default;
  // Queues one message; `sent` runs when it left: callers keep at most one bulk message in flight.
  virtual void send(std::string message, std::function<void()> sent) = 0;
  // Asks for the client's next message (onMessage). One at a time: this is the back-pressure.
  virtual void receive() = 0;
  // Sends what is queued, then a normal close.
  virtual void close() = 0;
};

// What is talked over a Channel. Home: loop. Owned by the connection, which destroys it when the
// client is gone or after close(); destruction ends whatever it drives.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual void start(Channel& channel) = 0;
  virtual void onMessage(std::string_view message) = 0;
};

struct Upgrade {
  std::string subprotocol;  // the one chosen of the client's
  std::unique_ptr<Conversation> conversation;
  bool text = false;  // WebSocket messages are sent as text
};

using Outcome = std::variant<Reply, std::unique_ptr<ByteSource>, Upgrade>;
using Respond = std::function<void(Outcome)>;

// One line of the server's table. `handle` runs on the loop and answers now or later (on the loop);
// with `sink` set the body is streamed into the sink it makes.
struct Route {
  std::string method;
  std::string pattern;  // "/containerLogs/{namespace}/{pod}/{container}"
  std::function<void(Call, Respond)> handle;
  std::function<Result<std::unique_ptr<ByteSink>>(const Call&)> sink;
};

// Percent-decoding of a path or query part; kInvalidArgument for bad escapes.
Result<std::string> percentDecode(std::string_view text, bool plus_is_space);

// Splits the target, matches the table, fills captures and query. kNotFound, or kUnsupported when the path
// exists with another method.
struct Match {
  const Route* route = nullptr;
  Call call;
};
Result<Match> matchRoute(const std::vector<Route>& routes, std::string_view method, std::string_view target);

}  // namespace keelson::kubelet::server
