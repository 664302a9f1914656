#include "kubelet/node/logind.h"

#include <fcntl.h>
#include <signal.h>
#include <systemd/sd-bus.h>

#include <list>

#include "base/fs.h"

namespace keelson::kubelet::node {
namespace {

constexpr char kLogin[] = "org.freedesktop.login1";
constexpr char kLoginPath[] = "/org/freedesktop/login1";
constexpr char kLoginManager[] = "org.freedesktop.login1.Manager";
constexpr uint64_t kCallMicroseconds = 10'000'000;
// sd-bus has its own queue and deadlines; this looks at both where a readable descriptor does not tell.
constexpr Duration kTurn = std::chrono::milliseconds(500);
constexpr int kMaxMessagesATurn = 64;

struct BusClose {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};

Error busError(int negative_errno, std::string_view what, const sd_bus_error* error = nullptr) {
  if (error != nullptr && error->name != nullptr) {
    return makeError(Code::kUnavailable, "{}: {}: {}", what, error->name,
                     error->message == nullptr ? "" : error->message);
  }
  Error made = errnoError(-negative_errno, what);
  made.code = Code::kUnavailable;
  return made;
}

class SdBusLogind final : public Logind {
 public:
  SdBusLogind(Loop& loop, sd_bus* bus, std::string drop_in)
      : loop_(loop), bus_(bus), drop_in_(std::move(drop_in)) {}
  ~SdBusLogind() override {
    read_.reset();
    turn_.reset();
    for (auto& call : calls_) sd_bus_slot_unref(call.slot);
    if (signal_ != nullptr) sd_bus_slot_unref(signal_);
  }

  Result<void> start() {
    int got = sd_bus_match_signal_async(bus_.get(), &signal_, kLogin, kLoginPath, kLoginManager,
                                        "PrepareForShutdown", &SdBusLogind::onSignal, nullptr, this);
    if (got < 0) return busError(got, "watch PrepareForShutdown");
    got = sd_bus_get_fd(bus_.get());
    if (got < 0) return busError(got, "descriptor of the system bus");
    read_ = loop_.onReadable(got, [this] { turn(); });
    turn_ = loop_.every(kTurn, [this] { turn(); });
    if (!read_.active()) return makeError(Code::kUnavailable, "the loop cannot watch the system bus");
    loop_.post([alive = std::weak_ptr<bool>(alive_), this] {
      if (!alive.expired()) turn();
    });
    return {};
  }

  void currentInhibitDelay(std::function<void(Result<Duration>)> done) override {
    const auto parse = [done](sd_bus_message* reply) {
      uint64_t microseconds = 0;
      const int got = sd_bus_message_read(reply, "v", "t", &microseconds);
      if (got < 0) return done(busError(got, "read InhibitDelayMaxUSec"));
      constexpr uint64_t kLongest = 1'000'000ULL * 3600 * 24 * 365;
      done(Duration(std::chrono::microseconds(std::min(microseconds, kLongest))));
    };
    const auto failed = [done](Error error) { done(std::move(error)); };
    call({kLogin, kLoginPath, "org.freedesktop.DBus.Properties", "Get"}, parse, failed,
         [](sd_bus_message* message) {
           return sd_bus_message_append(message, "ss", kLoginManager, "InhibitDelayMaxUSec");
         });
  }

  void overrideInhibitDelay(Duration delay, std::function<void(Result<void>)> done) override {
    if (auto written = writeDropIn(delay); !written) return later(done, std::move(written));
    call(
        {"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
         "KillUnit"},
        [done](sd_bus_message*) { done({}); }, [done](Error error) { done(std::move(error)); },
        [](sd_bus_message* message) {
          return sd_bus_message_append(message, "ssi", "systemd-logind.service", "all", SIGHUP);
        });
  }

  void acquireLock(std::function<void(Result<UniqueFd>)> done) override {
    const auto parse = [done](sd_bus_message* reply) {
      int fd = -1;
      const int got = sd_bus_message_read(reply, "h", &fd);
      if (got < 0) return done(busError(got, "read the inhibitor lock"));
      UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 3));  // the message closes its own
      if (!own) return done(sysError("keep the inhibitor lock"));
      done(std::move(own));
    };
    call(
        {kLogin, kLoginPath, kLoginManager, "Inhibit"}, parse,
        [done](Error error) { done(std::move(error)); },
        [](sd_bus_message* message) {
          return sd_bus_message_append(message, "ssss", "shutdown", "keelson",
                                       "Keelson needs time to handle node shutdown", "delay");
        });
  }

  void watch(std::function<void(bool)> on_change, std::function<void(Error)> on_lost) override {
    on_change_ = std::move(on_change);
    on_lost_ = std::move(on_lost);
  }

 private:
  struct Method {
    const char *service, *path, *interface, *name;
  };
  // One method call under way. Lives in calls_ until its answer was handled.
  struct Pending {
    SdBusLogind* owner;
    std::string name;
    std::function<void(sd_bus_message*)> parse;
    std::function<void(Error)> failed;
    sd_bus_slot* slot = nullptr;
    std::list<Pending>::iterator self;
  };

  void later(const std::function<void(Result<void>)>& done, Result<void> result) {
    loop_.post([alive = std::weak_ptr<bool>(alive_), done, result = std::move(result)]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  }

  void call(const Method& method, std::function<void(sd_bus_message*)> parse,
            std::function<void(Error)> failed, const std::function<int(sd_bus_message*)>& append) {
    calls_.push_back({this, method.name, std::move(parse), std::move(failed), nullptr, {}});
    const auto at = std::prev(calls_.end());
    at->self = at;
    sd_bus_message* message = nullptr;
    int got = sd_bus_message_new_method_call(bus_.get(), &message, method.service, method.path,
                                             method.interface, method.name);
    if (got >= 0) got = append(message);
    if (got >= 0)
      got = sd_bus_call_async(bus_.get(), &at->slot, message, &SdBusLogind::onReply, &*at, kCallMicroseconds);
    sd_bus_message_unref(message);
    loop_.post([alive = std::weak_ptr<bool>(alive_), this, at, got] {
      if (alive.expired()) return;
      if (got >= 0) return turn();  // writes what is queued
      const auto tell = std::move(at->failed);
      const Error error = busError(got, at->name);
      calls_.erase(at);
      tell(error);
    });
  }

  static int onReply(sd_bus_message* reply, void* data, sd_bus_error*) {
    auto* pending = static_cast<Pending*>(data);
    Pending done = std::move(*pending);
    sd_bus_slot_unref(done.slot);
    done.owner->calls_.erase(done.self);
    const sd_bus_error* error = sd_bus_message_get_error(reply);
    if (error != nullptr)
      done.failed(busError(-EIO, done.name, error));
    else
      done.parse(reply);
    return 0;
  }

  static int onSignal(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* self = static_cast<SdBusLogind*>(data);
    int begins = 0;
    if (sd_bus_message_read(message, "b", &begins) >= 0 && self->on_change_) self->on_change_(begins != 0);
    return 0;
  }

  // Reads, dispatches and writes what there is. A callback may destroy this object.
  void turn() {
    const std::weak_ptr<bool> alive = alive_;
    sd_bus* bus = sd_bus_ref(bus_.get());
    int got = 1;
    for (int i = 0; i < kMaxMessagesATurn && got > 0; ++i) {
      got = sd_bus_process(bus, nullptr);
      if (alive.expired()) break;
    }
    sd_bus_unref(bus);
    if (alive.expired() || got >= 0) return;
    read_.reset();
    turn_.reset();
    if (on_lost_) on_lost_(busError(got, "system bus"));
  }

  Result<void> writeDropIn(Duration delay) const {
    TRY(DirFd::ensure(drop_in_.substr(0, drop_in_.rfind('/')), 0755));
    return writeFileAtomic(drop_in_, renderInhibitDropIn(delay), 0644);
  }

  Loop& loop_;
  std::unique_ptr<sd_bus, BusClose> bus_;
  std::string drop_in_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  sd_bus_slot* signal_ = nullptr;
  std::list<Pending> calls_;
  std::function<void(bool)> on_change_;
  std::function<void(Error)> on_lost_;
  Registration read_, turn_;
};

}  // namespace

std::string renderInhibitDropIn(Duration delay) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
  return fmt::format("# Kubelet logind override\n[Login]\nInhibitDelayMaxSec={}\n", seconds);
}

Result<std::unique_ptr<Logind>> connectLogind(Loop& loop, const std::string& drop_in) {
  sd_bus* bus = nullptr;
  if (const int got = sd_bus_open_system(&bus); got < 0) return busError(got, "connect to the system bus");
  auto logind = std::make_unique<SdBusLogind>(loop, bus, drop_in);
  TRY(logind->start());
  return std::unique_ptr<Logind>(std::move(logind));
}

}  // namespace keelson::kubelet::node
