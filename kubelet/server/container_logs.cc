#include "kubelet/server/container_logs.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>

namespace keelson::kubelet::server {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kMaxLineBytes = 64 * 1024;  // the writer splits at 16 KiB; longer is not ours

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

FileId idOf(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

// One entry: "<time> <stream> <tags> <text>".
struct Entry {
  std::string_view time, stream, text;
  bool partial = false;
};

std::optional<Entry> parseEntry(std::string_view line) {
  Entry entry;
  std::string_view tags;
  for (std::string_view* part : {&entry.time, &entry.stream, &tags}) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    *part = line.substr(0, space);
    line.remove_prefix(space + 1);
  }
  if (entry.stream != "stdout" && entry.stream != "stderr") return std::nullopt;
  entry.text = line;
  entry.partial = tags.starts_with('P');
  return entry;
}

// Where the last `lines` lines of a file start; takes off `lines` what the file has.
Result<off_t> tailStart(int fd, int64_t& lines) {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  std::array<char, kReadBytes> block{};
  for (off_t at = end; at > 0;) {
    const off_t from = std::max<off_t>(0, at - static_cast<off_t>(block.size()));
    const ssize_t got = ::pread(fd, block.data(), static_cast<size_t>(at - from), from);
    if (got <= 0) return sysError("read");
    for (ssize_t i = got - 1; i >= 0; --i) {
      // Every newline but the file's last byte has the start of a line behind it.
      if (block[static_cast<size_t>(i)] == '\n' && from + i != end - 1 && --lines == 0) return from + i + 1;
    }
    at = from;
  }
  if (end > 0) --lines;
  return 0;
}

}  // namespace

Result<LogCursor> LogCursor::open(const std::string& directory, uint32_t attempt, const LogOptions& options) {
  LogCursor cursor;
  cursor.directory_ = TRY_CTX(DirFd::open(directory), "log directory {}", directory);
  cursor.base_ = std::to_string(attempt) + ".log";
  cursor.options_ = options;
  cursor.limit_left_ = options.limit_bytes;
  // A rotation may rename or delete a file between listing and opening it.
  constexpr int kTries = 3;
  Result<void> opened;
  for (int i = 0; i < kTries; ++i) {
    opened = cursor.openFirst();
    if (opened || opened.error().code != Code::kNotFound) break;
  }
  if (!opened)
    return std::move(opened).error().withContext(fmt::format("log {}/{}", directory, cursor.base_));
  return cursor;
}

Result<void> LogCursor::openFirst() {
  const auto files = TRY(chain());
  if (files.empty()) return makeError(Code::kNotFound, "no such file");
  if (!options_.tail_lines) {
    file_ = TRY(directory_.openBeneath(files.front(), O_RDONLY));
    return {};
  }
  if (*options_.tail_lines > 0) return seekTail(files, *options_.tail_lines);
  file_ = TRY(directory_.openBeneath(files.back(), O_RDONLY));
  if (::lseek(file_.get(), 0, SEEK_END) < 0) return sysError("seek to the end");
  return {};
}

// Rotated files sort by the time in their names; the current one comes last.
Result<std::vector<std::string>> LogCursor::chain() const {
  std::vector<std::string> names;
  bool current = false;
  for (const DirEntry& entry : TRY(directory_.list())) {
    if (entry.name == base_) current = true;
    if (entry.name.starts_with(base_ + ".")) names.push_back(entry.name);
  }
  std::sort(names.begin(), names.end());
  if (current) names.push_back(base_);
  return names;
}

// Positions at the start of the last `lines` lines, going back over rotated files as far as needed.
Result<void> LogCursor::seekTail(const std::vector<std::string>& files, int64_t lines) {
  for (auto name = files.rbegin(); name != files.rend(); ++name) {
    UniqueFd file = TRY(directory_.openBeneath(*name, O_RDONLY));
    const off_t start = TRY(tailStart(file.get(), lines));
    if (lines > 0 && std::next(name) != files.rend()) continue;
    if (::lseek(file.get(), start, SEEK_SET) < 0) return sysError("{}: seek", *name);
    file_ = std::move(file);
    break;
  }
  return {};
}

// At the end of the open file: false if it still is the current one, else opens the one after it.
Result<bool> LogCursor::advance() {
  const FileId mine = idOf(file_.get());
  auto files = TRY(chain());
  bool found = false;
  for (const std::string& name : files) {
    auto next = directory_.openBeneath(name, O_RDONLY);
    if (!next) continue;  // rotated away this moment: its next name is in the next listing
    if (found) {
      file_ = std::move(next).value();
      return true;
    }
    found = idOf(next->get()) == mine;
  }
  if (found || files.empty()) return false;
  // Ours has been deleted: go on with the oldest there is.
  file_ = TRY(directory_.openBeneath(files.front(), O_RDONLY));
  return true;
}

Result<std::string> LogCursor::read(size_t max) {
  std::string out;
  std::array<char, kReadBytes> block{};
  while (out.size() < max && !limitReached()) {
    const ssize_t got = ::read(file_.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sysError("log {}: read", base_);
    if (got == 0) {
      if (TRY(advance())) continue;
      break;
    }
    pending_.append(block.data(), static_cast<size_t>(got));
    size_t from = 0;
    for (size_t newline; (newline = pending_.find('\n', from)) != std::string::npos; from = newline + 1)
      render(std::string_view(pending_).substr(from, newline - from), out);
    pending_.erase(0, from);
    if (pending_.size() > kMaxLineBytes) pending_.clear();
  }
  return out;
}

void LogCursor::render(std::string_view line, std::string& out) {
  const auto entry = parseEntry(line);
  if (!entry || limitReached()) return;
  if (!options_.stream.empty() && entry->stream != options_.stream) return;
  if (options_.since) {
    const auto time = parseTime(entry->time);
    if (time && *time < *options_.since) return;
  }
  std::string text;
  if (options_.timestamps && !middle_of_line_) {
    text += entry->time;
    text += ' ';
  }
  text += entry->text;
  if (!entry->partial) text += '\n';
  middle_of_line_ = entry->partial;
  if (limit_left_) {
    text.resize(std::min(text.size(), static_cast<size_t>(*limit_left_)));
    *limit_left_ -= static_cast<int64_t>(text.size());
  }
  out += text;
}

// ---- watching ----

// wd -> callbacks; shared with tickets, which may outlive the watcher.
struct LogWatcher::State {
  UniqueFd inotify;
  uint64_t next_id = 0;
  struct Watch {
    std::map<uint64_t, std::function<void()>> callbacks;
  };
  std::map<int, Watch> watches;

  void remove(int wd, uint64_t id) {
    const auto found = watches.find(wd);
    if (found == watches.end()) return;
    found->second.callbacks.erase(id);
    if (!found->second.callbacks.empty()) return;
    watches.erase(found);
    ::inotify_rm_watch(inotify.get(), wd);
  }

  void drain() {
    alignas(inotify_event) std::array<char, 16 * 1024> buffer;
    std::vector<int> changed;
    const ssize_t got = ::read(inotify.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      if (event->mask & IN_Q_OVERFLOW) {
        for (const auto& [wd, watch] : watches) changed.push_back(wd);
      } else {
        changed.push_back(event->wd);
      }
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    for (const int wd : changed) {
      const auto found = watches.find(wd);
      if (found == watches.end()) continue;
      const auto callbacks = found->second.callbacks;  // a callback may drop its ticket
      for (const auto& [id, callback] : callbacks) callback();
    }
  }
};

LogWatcher::LogWatcher(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<LogWatcher>> LogWatcher::create(Loop& loop) {
  auto state = std::make_shared<State>();
  state->inotify = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!state->inotify) return sysError("log watcher: inotify_init1");
  std::unique_ptr<LogWatcher> watcher(new LogWatcher(state));
  watcher->readable_ = loop.onReadable(state->inotify.get(), [state] { state->drain(); });
  return watcher;
}

Result<LogWatcher::Ticket> LogWatcher::watch(const std::string& directory, std::function<void()> changed) {
  const int wd = ::inotify_add_watch(state_->inotify.get(), directory.c_str(),
                                     IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR);
  if (wd < 0) return sysError("log watcher: watch {}", directory);
  const uint64_t id = state_->next_id++;
  state_->watches[wd].callbacks[id] = std::move(changed);
  std::weak_ptr<State> weak = state_;
  return Ticket(nullptr, [weak, wd, id](void*) {
    if (auto state = weak.lock()) state->remove(wd, id);
  });
}

// ---- the stream ----

namespace {

constexpr size_t kPieceBytes = 256 * 1024;
constexpr Duration kRunningCheck = std::chrono::seconds(1);

// Alternates between the lane (reading) and the loop (waiting). `Core` is shared with what is under
// way, so that dropping the source never waits. Home: loop.
class LogSource : public ByteSource {
 public:
  LogSource(Loop& loop, Lane& lane, LogCursor cursor, bool follow, std::function<bool()> running)
      : core_(std::make_shared<Core>(
            Core{loop, lane, std::move(cursor), follow, std::move(running), {}, {}, {}, false, false})) {}

  ~LogSource() override {
    core_->done = nullptr;
    core_->ticket.reset();
    core_->check.reset();
  }

  void follow(LogWatcher& watcher, const std::string& directory) {
    auto ticket = watcher.watch(directory, [weak = std::weak_ptr(core_)] { wake(weak); });
    // Without a watch the periodic check still finds new lines.
    if (ticket) core_->ticket = std::move(ticket).value();
    core_->check = core_->loop.every(kRunningCheck, [weak = std::weak_ptr(core_)] { wake(weak); });
  }

  void next(std::function<void(Result<std::string>)> done) override {
    core_->done = std::move(done);
    read(core_);
  }

 private:
  struct Core {
    Loop& loop;
    Lane& lane;
    LogCursor cursor;
    bool follow;
    std::function<bool()> running;
    std::function<void(Result<std::string>)> done;
    LogWatcher::Ticket ticket;
    Registration check;
    bool reading;
    bool waiting;
  };
  using CorePtr = std::shared_ptr<Core>;

  static void wake(const std::weak_ptr<Core>& weak) {
    if (auto core = weak.lock(); core && core->waiting) read(core);
  }

  static void read(const CorePtr& core) {
    if (core->reading) return;
    core->reading = true;
    core->waiting = false;
    // Asked before reading: what an instance wrote before its end is in the file by then.
    const bool last = !core->follow || !core->running();
    core->lane.post([core, last] {
      auto text = std::make_shared<Result<std::string>>(core->cursor.read(kPieceBytes));
      core->loop.post([core, last, text] { onRead(core, last, std::move(*text)); });
    });
  }

  static void onRead(const CorePtr& core, bool last, Result<std::string> text) {
    core->reading = false;
    if (!core->done) return;
    if (text && text->empty() && !last && !core->cursor.limitReached()) {
      core->waiting = true;
      return;
    }
    std::exchange(core->done, nullptr)(std::move(text));
  }

  CorePtr core_;
};

}  // namespace

std::unique_ptr<ByteSource> makeLogSource(Loop& loop, Lane& lane, LogWatcher& watcher, LogCursor cursor,
                                          std::string directory, bool follow, std::function<bool()> running) {
  auto source = std::make_unique<LogSource>(loop, lane, std::move(cursor), follow, std::move(running));
  if (follow) source->follow(watcher, directory);
  return source;
}

Result<LogOptions> parseLogOptions(const Call& call, WallTime now) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  LogOptions options;
  options.follow = call.queryFlag("follow");
  options.timestamps = call.queryFlag("timestamps");
  const std::string tail = call.queryValue("tailLines");
  if (!tail.empty() && tail != "all") options.tail_lines = TRY(call.queryNumber("tailLines", 0, kMax, 0));
  if (!call.queryValue("limitBytes").empty())
    options.limit_bytes = TRY(call.queryNumber("limitBytes", 1, kMax, 0));
  const std::string seconds = call.queryValue("sinceSeconds");
  const std::string time = call.queryValue("sinceTime");
  if (!seconds.empty() && !time.empty())
    return makeError(Code::kInvalidArgument, "at most one of `sinceTime` or `sinceSeconds` may be specified");
  if (!seconds.empty()) {
    constexpr int64_t kCentury = int64_t{100} * 365 * 24 * 3600;
    options.since = now - std::chrono::seconds(TRY(call.queryNumber("sinceSeconds", 1, kCentury, 0)));
  }
  if (!time.empty()) options.since = TRY_CTX(parseTime(time), "sinceTime");
  options.stream = call.queryValue("stream");
  if (options.stream == "Stdout") options.stream = "stdout";
  if (options.stream == "Stderr") options.stream = "stderr";
  if (options.stream == "All") options.stream.clear();
  if (!options.stream.empty() && options.stream != "stdout" && options.stream != "stderr")
    return makeError(Code::kInvalidArgument, "stream: expected All, Stdout or Stderr, got \"{}\"",
                     options.stream);
  return options;
}

}  // namespace keelson::kubelet::server
