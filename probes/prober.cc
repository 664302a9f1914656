#include "probes/prober.h"

#include <algorithm>
#include <functional>

namespace keelson::probes {
namespace {

constexpr int kTries = 3;  // of a probe that could not be made, before its turn is given up

const api::Container* findContainer(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers})
    for (const auto& container : *list)
      if (container.name == name) return &container;
  return nullptr;
}

// The same part of the period for the same instance at each start of the daemon, and another for each
// instance.
Duration spread(const ContainerId& id, Duration period) {
  return Duration(
      static_cast<int64_t>(std::hash<std::string>{}(id.str()) % static_cast<uint64_t>(period.count())));
}

}  // namespace

// One probe of one instance: a timer, an attempt, a state.
class Prober::Worker {
 public:
  Worker(Prober& prober, const PodUid& uid, Instance& instance, Kind kind, const api::Probe& probe)
      : prober_(prober), uid_(uid), instance_(instance), kind_(kind), probe_(probe) {
    const auto& subject = instance.subject;
    const auto known = kind == Kind::kReadiness ? subject.ready
                       : kind == Kind::kStartup ? subject.started
                                                : std::nullopt;
    state_ = initialState(kind, known);
  }

  // Begins to look, if it has not yet.
  void begin() {
    if (next_) return;
    const auto& subject = instance_.subject;
    const WallTime now = prober_.effects_.clock.wall();
    Duration delay = firstProbe(probe_, subject.started_at, now) - now;
    if (subject.adopted) return arm(std::max(delay, spread(subject.id, periodOf(probe_))));
    const bool fresh = now - subject.started_at < kSettling || delay > Duration{0};
    if (!fresh) return arm(delay);
    if (kind_ == Kind::kLiveness) return arm(delay + std::min(kSettling, periodOf(probe_)));
    early_ = 0;
    arm(delay);
  }
  void rest() {
    timer_.reset();
    attempt_.reset();
    resting_ = true;
  }

 private:
  bool skips() const {
    if (resting_) return true;
    return instance_.subject.terminating && kind_ != Kind::kReadiness;
  }

  void arm(Duration delay) {
    next_ = prober_.effects_.clock.steady() + delay;
    timer_ = prober_.effects_.loop.after(delay, [this] { turn(); });
  }

  // Turns keep their rhythm: a slow probe leaves out those that passed meanwhile.
  void armNext() {
    const Duration period = periodOf(probe_);
    const SteadyTime now = prober_.effects_.clock.steady();
    const auto missed = std::max<Duration>(now - *next_, Duration{0}) / period;
    const SteadyTime due = *next_ + period * (missed + 1);
    arm(due - now);
  }

  void turn() {
    if (skips()) return;
    if (early_ == 0) began_ = prober_.effects_.clock.steady();
    tries_ = 0;
    attempt();
  }

  void attempt() {
    ++tries_;
    const auto done = [this](Outcome outcome) { onOutcome(std::move(outcome)); };
    auto started = start(done);
    if (started) {
      attempt_ = std::move(started).value();
      return;
    }
    onOutcome({Verdict::kError, started.error().text});
  }

  Result<AttemptPtr> start(const Done& done) {
    const auto& subject = instance_.subject;
    const Duration timeout = timeoutOf(probe_);
    if (probe_.exec) return prober_.exec_.start(uid_, subject.id, probe_.exec->command, timeout, done);
    const api::Container* container = findContainer(*subject.pod, subject.container);
    if (container == nullptr)
      return makeError(Code::kNotFound, "container {} is gone from the spec", subject.container);
    if (probe_.http_get)
      return startHttp(prober_.effects_,
                       TRY(httpTarget(*probe_.http_get, *container, subject.address, "kube-probe")), timeout,
                       done);
    if (probe_.tcp_socket)
      return startTcp(prober_.effects_, TRY(tcpTarget(*probe_.tcp_socket, *container, subject.address)),
                      timeout, done);
    if (probe_.grpc)
      return startGrpc(prober_.effects_, TRY(grpcTarget(*probe_.grpc, subject.address)), timeout, done);
    return makeError(Code::kInvalidArgument, "missing probe handler for {}", subject.container);
  }

  void onOutcome(Outcome outcome) {
    attempt_.reset();
    if (early_ && outcome.verdict != Verdict::kSuccess) return onEarlyFailure();
    early_.reset();
    if (outcome.verdict == Verdict::kError) {
      if (tries_ < kTries) return again();
      ++prober_.stats_.errors;
      event("Unhealthy", "probe errored and resulted in unknown state: " + outcome.text);
      return armNext();
    }
    const bool success = outcome.verdict != Verdict::kFailure;
    ++(success ? prober_.stats_.successes : prober_.stats_.failures);
    if (outcome.verdict == Verdict::kWarning) event("ProbeWarning", "probe warning: " + outcome.text);
    if (!success) event("Unhealthy", "probe failed: " + outcome.text);
    const Step step = nextState(state_, probe_, success);
    const bool news = step.reached && (!state_.decided || state_.result != success);
    state_ = step.state;
    const bool ends = step.reached && (kind_ == Kind::kStartup || (kind_ == Kind::kLiveness && !success));
    if (ends)
      resting_ = true;
    else
      armNext();
    if (news)
      prober_.listener_.onFinding({uid_, instance_.subject.id, instance_.subject.container, kind_, success});
    if (step.reached && success && kind_ == Kind::kStartup) prober_.onStarted(instance_);
  }

  // It is not up yet: no failure, and no news.
  void onEarlyFailure() {
    const auto pause = nextEarlyLook(probe_, (*early_)++);
    const Duration settled = std::min(kSettling, periodOf(probe_));
    if (!pause) {
      early_.reset();
      return arm(std::max<Duration>(began_ + settled - prober_.effects_.clock.steady(), Duration{0}));
    }
    timer_ = prober_.effects_.loop.after(*pause, [this] { turn(); });
  }

  // Not from inside of what failed.
  void again() {
    timer_ = prober_.effects_.loop.after(Duration{0}, [this] { attempt(); });
  }

  void event(const char* reason, const std::string& what) {
    prober_.listener_.onEvent(uid_, instance_.subject.container, reason,
                              fmt::format("{} {}", kindName(kind_), what));
  }

  Prober& prober_;
  const PodUid uid_;
  Instance& instance_;
  const Kind kind_;
  const api::Probe probe_;
  ProbeState state_;
  std::optional<SteadyTime> next_;
  std::optional<int> early_;  // how many early looks there were; absent: looks count
  SteadyTime began_{};        // the first early look
  int tries_ = 0;
  bool resting_ = false;
  Registration timer_;
  AttemptPtr attempt_;
};

Prober::Prober(const Effects& effects, ExecProbes& exec, ProbeListener& listener)
    : effects_(effects), exec_(exec), listener_(listener) {}
Prober::~Prober() = default;
void Prober::stop() { pods_.clear(); }

std::unique_ptr<Prober::Instance> Prober::watch(const PodUid& uid, Subject subject) {
  auto instance = std::make_unique<Instance>();
  instance->subject = std::move(subject);
  const api::Container* container = findContainer(*instance->subject.pod, instance->subject.container);
  if (container == nullptr) return instance;
  for (const Kind kind : {Kind::kStartup, Kind::kLiveness, Kind::kReadiness})
    if (const api::Probe* probe = probeOf(*container, kind))
      instance->workers[kind] = std::make_unique<Worker>(*this, uid, *instance, kind, *probe);
  instance->started = !instance->workers.count(Kind::kStartup) || instance->subject.started.value_or(false);
  for (auto& [kind, worker] : instance->workers)
    if ((kind == Kind::kStartup) != instance->started) worker->begin();
  return instance;
}

void Prober::onStarted(Instance& instance) {
  instance.started = true;
  for (auto& [kind, worker] : instance.workers)
    if (kind != Kind::kStartup) worker->begin();
}

void Prober::setSubjects(const PodUid& uid, std::vector<Subject> subjects) {
  Instances& known = pods_[uid];
  Instances kept;
  for (auto& subject : subjects) {
    const ContainerId id = subject.id;
    const auto found = known.find(id);
    if (found == known.end()) {
      kept[id] = watch(uid, std::move(subject));
    } else {
      found->second->subject = std::move(subject);
      kept[id] = std::move(found->second);
    }
  }
  known = std::move(kept);
  if (known.empty()) pods_.erase(uid);
}

Prober::Stats Prober::stats() const {
  Stats stats = stats_;
  for (const auto& [uid, instances] : pods_)
    for (const auto& [id, instance] : instances) stats.probes += instance->workers.size();
  return stats;
}

}  // namespace keelson::probes
