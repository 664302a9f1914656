#include "agent/health.h"

namespace keelson::agent {

struct Health::State {
  Clock& clock;
  HealthLimits limits;
  SteadyTime last_tick;
  std::vector<std::pair<std::string, std::function<Result<void>()>>> checks;

  kubelet::server::Reply report(bool verbose) const {
    std::string text;
    bool good = true;
    for (const auto& [name, check] : checks) {
      const auto result = check();
      good = good && result.ok();
      text += result ? fmt::format("[+]{} ok\n", name)
                     : fmt::format("[-]{} failed: {}\n", name, result.error().text);
    }
    if (good && !verbose) return kubelet::server::Reply::ofText("ok");
    auto reply =
        kubelet::server::Reply::ofText(text + (good ? "healthz check passed\n" : "healthz check failed\n"));
    reply.status = good ? 200 : 500;
    return reply;
  }
};

Result<void> planHealth(Duration since_turn, const std::vector<Strand::Stats>& strands,
                        const HealthLimits& limits) {
  if (since_turn > limits.loop_silence)
    return makeError(Code::kUnavailable, "syncloop: the loop has not turned for {}",
                     formatDuration(since_turn));
  for (const auto& strand : strands) {
    if (strand.running > limits.stuck_task)
      return makeError(Code::kUnavailable, "strand {}: a task has not ended for {}, {} wait", strand.name,
                       formatDuration(strand.running), strand.queued);
  }
  return {};
}

Health::Health(Loop& loop, Clock& clock, HealthLimits limits)
    : state_(std::make_shared<State>(State{clock, limits, clock.steady(), {}})) {
  tick_ = loop.every(limits.tick, [state = state_] { state->last_tick = state->clock.steady(); });
  addCheck("ping", [] { return Result<void>(); });
  addCheck("log", [] { return Result<void>(); });
  // A weak one: the check belongs to what it looks at.
  addCheck("syncloop", [weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    return planHealth(state->clock.steady() - state->last_tick, strandStats(), state->limits);
  });
}

void Health::addCheck(std::string name, std::function<Result<void>()> check) {
  state_->checks.emplace_back(std::move(name), std::move(check));
}

Result<void> Health::check() const {
  for (const auto& [name, check] : state_->checks) TRY_CTX(check(), "{}", name);
  return {};
}

std::vector<kubelet::server::Route> Health::routes() const {
  using kubelet::server::Call;
  using kubelet::server::Respond;
  std::vector<kubelet::server::Route> routes;
  for (const char* path : {"/healthz", "/livez", "/readyz"})
    routes.push_back(
        {"GET",
         path,
         [state = state_](Call call, Respond respond) { respond(state->report(call.queryFlag("verbose"))); },
         {}});
  routes.push_back({"GET",
                    "/healthz/{check}",
                    [state = state_](Call call, Respond respond) {
                      for (const auto& [name, check] : state->checks) {
                        if (name != call.capture("check")) continue;
                        const auto result = check();
                        auto reply =
                            kubelet::server::Reply::ofText(result ? "ok" : result.error().text + "\n");
                        reply.status = result ? 200 : 500;
                        return respond(std::move(reply));
                      }
                      respond(kubelet::server::Reply::ofError(
                          makeError(Code::kNotFound, "no such check: {}", call.capture("check"))));
                    },
                    {}});
  return routes;
}

}  // namespace keelson::agent
