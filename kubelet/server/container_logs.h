// Container logs for people: CRI files in, text out, followed over rotations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "kubelet/server/http.h"

namespace keelson::kubelet::server {

// PodLogOptions of the API.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
struct LogOptions {
  bool follow = false;
  bool timestamps = false;
  std::optional<int64_t> tail_lines;
  std::optional<int64_t> limit_bytes;
  std::optional<WallTime> since;
  std::string stream;  // "", stdout, stderr
};

// Reads the files of one container instance: <attempt>.log.<time>... (rotated, oldest first), then
// <attempt>.log. It stays on its open file through a rotation, so no line is lost or repeated. Blocks on disk
// only. One owner; a lane's thread.
class LogCursor {
 public:
  static Result<LogCursor> open(const std::string& directory, uint32_t attempt, const LogOptions& options);
  LogCursor(LogCursor&&) = default;
  LogCursor& operator=(LogCursor&&) = default;

  // The next text, at most about `max` bytes; empty: all that is there now has been read, or the
  // limit is reached.
  Result<std::string> read(size_t max);
  bool limitReached() const { return limit_left_ && *limit_left_ <= 0; }

 private:
  LogCursor() = default;
  Result<std::vector<std::string>> chain() const;
  Result<void> openFirst();
  Result<void> seekTail(const std::vector<std::string>& files, int64_t lines);
  Result<bool> advance();
  void render(std::string_view line, std::string& out);

  DirFd directory_;
  std::string base_;  // "0.log"
  LogOptions options_;
  UniqueFd file_;
  std::string pending_;          // an unfinished line of the file
  bool middle_of_line_ = false;  // the last entry was a partial one
  std::optional<int64_t> limit_left_;
};

// One inotify instance for every follower of the process (inotify(7)). Home: loop.
class LogWatcher {
 public:
  static Result<std::unique_ptr<LogWatcher>> create(Loop& loop);

  // Runs `changed` when a file in `directory` is written, made or renamed, until the ticket is
  // dropped. kResourceExhausted when the user's watches are used up.
  using Ticket = std::shared_ptr<void>;
  Result<Ticket> watch(const std::string& directory, std::function<void()> changed);

 private:
  struct State;
  explicit LogWatcher(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
  Registration readable_;
};

// The stream of GET /containerLogs. `running` tells whether the instance still runs: when it does not,
// following ends.
std::unique_ptr<ByteSource> makeLogSource(Loop& loop, Lane& lane, LogWatcher& watcher, LogCursor cursor,
                                          std::string directory, bool follow, std::function<bool()> running);

// Query of /containerLogs to options; kInvalidArgument as kubelet words it.
Result<LogOptions> parseLogOptions(const Call& call, WallTime now);

}  // namespace keelson::kubelet::server
