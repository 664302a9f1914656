#include "kubelet/manifest_source.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <climits>

#include "base/log.h"

namespace keelson::kubelet {
namespace {

// A file that was changing is looked at again after this long.
constexpr Duration kSettle = std::chrono::seconds(1);
constexpr uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr int kMaxEventReads = 64;  // per turn of the loop; the rest waits for the next one

}  // namespace

// Shared with tasks that are under way: they find it closed and end.
struct ManifestSource::State : std::enable_shared_from_this<State> {
  State(Loop& loop_to_use, Lane& lane, Clock& clock_to_use, Settings settings_given)
      : loop(loop_to_use),
        clock(clock_to_use),
        settings(std::move(settings_given)),
        strand(lane, "manifests"),
        folder(settings.path, settings.node_name) {}

  Loop& loop;
  Clock& clock;
  const Settings settings;
  Strand strand;
  ManifestFolder folder;  // strand

  // loop:
  Listener listener;
  UniqueFd inotify;
  int watch = -1;
  Registration readable, periodic, settle;
  std::set<std::string> complete;  // files closed by their writers since the last look
  bool scanning = false;
  bool again = false;
  bool closed = false;
  std::string last_error;

  // The folder, or the one that holds the single file.
  std::string watched() const {
    struct stat info {};
    const bool is_file = ::stat(settings.path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    if (!is_file) return settings.path;
    const size_t slash = settings.path.rfind('/');
    return slash == std::string::npos ? "." : settings.path.substr(0, std::max<size_t>(slash, 1));
  }

  void ensureWatch() {
    if (!inotify || watch >= 0) return;
    watch = ::inotify_add_watch(inotify.get(), watched().c_str(), kEvents);
  }

  void readEvents() {
    alignas(inotify_event) char buffer[16 << 10];
    bool any = false;
    for (int i = 0; i < kMaxEventReads; ++i) {
      const ssize_t got = ::read(inotify.get(), buffer, sizeof buffer);
      if (got <= 0) break;
      any = true;
      for (ssize_t at = 0; at < got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) watch = -1;
        if (event->len > 0 && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))) complete.insert(event->name);
      }
    }
    if (any) scan();
  }

  void scan() {
    if (closed) return;
    if (scanning) {
      again = true;
      return;
    }
    scanning = true;
    again = false;
    ensureWatch();
    strand.post([self = shared_from_this(), names = std::move(complete)] {
      auto result = self->folder.scan(names, self->clock.wall());
      self->loop.post([self, result = std::move(result)]() mutable { self->scanned(std::move(result)); });
    });
    complete.clear();
  }

  void scanned(Result<std::shared_ptr<const ManifestSnapshot>> result) {
    scanning = false;
    if (closed) return;
    if (!result) {
      // What was read last stays in force: a folder that cannot be read says nothing about its pods.
      if (last_error != result.error().text) LOG_ERROR("{}; its pods are kept", result.error().text);
      last_error = result.error().text;
    } else {
      last_error.clear();
      if ((*result)->unsettled)
        settle = loop.after(kSettle, [self = weak_from_this()] {
          if (const auto state = self.lock()) state->scan();
        });
      listener(*result);
    }
    if (again) scan();
  }
};

ManifestSource::ManifestSource(Loop& loop, Lane& lane, Clock& clock, Settings settings)
    : state_(std::make_shared<State>(loop, lane, clock, std::move(settings))) {}

ManifestSource::~ManifestSource() { stop(); }

void ManifestSource::seed(const ManifestSnapshot::Entry& entry) { state_->folder.seed(entry); }

Result<std::shared_ptr<const ManifestSnapshot>> ManifestSource::start(Listener listener) {
  State& state = *state_;
  state.listener = std::move(listener);
  state.inotify = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!state.inotify) return sysError("watch manifests: inotify_init1");
  state.ensureWatch();  // before the first look, so that no change falls between
  auto first = TRY(state.folder.scan({}, state.clock.wall()));
  const std::weak_ptr<State> weak = state_;
  state.readable = state.loop.onReadable(state.inotify.get(), [weak] {
    if (const auto self = weak.lock()) self->readEvents();
  });
  state.periodic = state.loop.every(state.settings.frequency, [weak] {
    if (const auto self = weak.lock()) self->scan();
  });
  return first;
}

void ManifestSource::stop() {
  State& state = *state_;
  state.closed = true;
  state.strand.close();
  state.readable.reset();
  state.periodic.reset();
  state.settle.reset();
}

}  // namespace keelson::kubelet
