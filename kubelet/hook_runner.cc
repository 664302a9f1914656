#include "kubelet/hook_runner.h"

#include <fmt/ranges.h>
#include <strings.h>

#include <algorithm>

#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

using probes::Outcome;
using probes::Verdict;

// A hook without a deadline of its own: it ends with its container at the latest.
constexpr Duration kLongest = std::chrono::hours(24 * 365);
constexpr size_t kMaxHookOutput = 2048;  // of a command, in a message

const api::Container* findContainer(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers})
    for (const auto& container : *list)
      if (container.name == name) return &container;
  return nullptr;
}

const api::LifecycleHandler* handlerOf(const api::Container& container, HookKind kind) {
  if (!container.lifecycle) return nullptr;
  const auto& handler =
      kind == HookKind::kPostStart ? container.lifecycle->post_start : container.lifecycle->pre_stop;
  return handler ? &*handler : nullptr;
}

std::string podText(const api::Pod& pod) {
  return fmt::format("{}_{}({})", pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid);
}

// Any answer is a success: only a request that was not answered has failed.
bool isAnswered(const Outcome& outcome) {
  return outcome.verdict == Verdict::kSuccess || outcome.verdict == Verdict::kWarning || outcome.code;
}

}  // namespace

// One hook under way. Its place stays after its end, so that it runs once however often it is ordered.
class HookRunner::Run {
 public:
  Run(HookRunner& runner, const PodUid& uid, HookOrder order)
      : runner_(runner), uid_(uid), order_(std::move(order)) {
    if (const auto* container = findContainer(*order_.pod, order_.container)) {
      container_ = *container;
      if (const auto* handler = handlerOf(*container, order_.kind)) handler_ = *handler;
    }
    start();
  }

 private:
  void start() {
    if (handler_.exec) return exec();
    if (handler_.http_get) return http();
    if (handler_.sleep) {
      const WallTime end = order_.begun + std::chrono::seconds(std::max<int64_t>(handler_.sleep->seconds, 0));
      const Duration rest = std::clamp<Duration>(end - runner_.effects_.clock.wall(), Duration{0}, kLongest);
      timer_ = runner_.effects_.loop.after(rest, [this] { finish(true, ""); });
      return;
    }
    if (handler_.tcp_socket) {
      runner_.listener_.onHookEvent(
          uid_, order_.container, "UnsupportedLifecycleHandler",
          fmt::format("tcpSocket is not supported as a lifecycle hook, the {} hook does nothing",
                      hookName(order_.kind)));
      return endSoon(true, "");
    }
    endSoon(false, "Cannot run handler");
  }

  Duration timeLeft() const {
    if (!order_.until) return kLongest;
    return std::clamp<Duration>(*order_.until - runner_.effects_.clock.wall(), std::chrono::milliseconds(1),
                                kLongest);
  }

  void exec() {
    const Duration timeout = order_.until ? timeLeft() : Duration{0};
    attempt_ = runner_.exec_.start(uid_, order_.id, handler_.exec->command, timeout, [this](Outcome outcome) {
      if (outcome.verdict == Verdict::kSuccess) return finish(true, "");
      const std::string output = cleanText(outcome.text, kMaxHookOutput);
      const std::string error =
          outcome.code ? fmt::format("command '{}' exited with {}: {}",
                                     fmt::join(handler_.exec->command, " "), *outcome.code, output)
                       : output;
      finish(false,
             fmt::format("Exec lifecycle hook ([{}]) for Container \"{}\" in Pod \"{}\" failed - error: "
                         "{}, message: \"{}\"",
                         fmt::join(handler_.exec->command, " "), order_.container, podText(*order_.pod),
                         error, outcome.code ? output : ""));
    });
  }

  void http() {
    auto target = probes::httpTarget(*handler_.http_get, container_, order_.address, "kube-lifecycle");
    if (!target) return endSoon(false, httpFailure(target.error().text));
    attempt_ =
        probes::startHttp(runner_.effects_, *target, timeLeft(), [this, target = *target](Outcome outcome) {
          if (isAnswered(outcome)) return finish(true, "");
          const bool in_clear = target.tls && outcome.text.find(probes::kPlainAnswer) != std::string::npos;
          if (!in_clear) return finish(false, httpFailure(outcome.text));
          fallBack(target, outcome.text);
        });
  }

  // Once more in clear, without what is meant for the encrypted side only.
  void fallBack(probes::HttpTarget target, const std::string& error) {
    target.tls = false;
    std::erase_if(target.headers, [](const auto& header) {
      return ::strcasecmp(header.first.c_str(), "Authorization") == 0;
    });
    attempt_ =
        probes::startHttp(runner_.effects_, std::move(target), timeLeft(), [this, error](Outcome outcome) {
          if (!isAnswered(outcome)) return finish(false, httpFailure(error));
          runner_.listener_.onHookEvent(
              uid_, order_.container, "LifecycleHTTPFallback",
              "request to HTTPS lifecycle hook got HTTP response, retry with HTTP succeeded");
          finish(true, "");
        });
  }

  std::string httpFailure(const std::string& error) const {
    return fmt::format("HTTP lifecycle hook ({}) for Container \"{}\" in Pod \"{}\" failed - error: {}",
                       handler_.http_get->path, order_.container, podText(*order_.pod),
                       cleanText(error, kMaxHookOutput));
  }

  // Not from inside of setHooks().
  void endSoon(bool success, std::string message) {
    timer_ = runner_.effects_.loop.after(
        Duration{0}, [this, success, message = std::move(message)] { finish(success, message); });
  }

  void finish(bool success, const std::string& message) {
    attempt_.reset();
    runner_.listener_.onHookEnded({uid_, order_.id, order_.kind, success, message});
  }

  HookRunner& runner_;
  const PodUid uid_;
  const HookOrder order_;
  api::Container container_;
  api::LifecycleHandler handler_;
  Registration timer_;
  probes::AttemptPtr attempt_;
};

HookRunner::HookRunner(const probes::Effects& effects, probes::ExecProbes& exec, HookListener& listener)
    : effects_(effects), exec_(exec), listener_(listener) {}
HookRunner::~HookRunner() = default;
void HookRunner::stop() { pods_.clear(); }

void HookRunner::setHooks(const PodUid& uid, std::vector<HookOrder> orders) {
  auto& known = pods_[uid];
  std::map<Key, std::unique_ptr<Run>> kept;
  for (auto& order : orders) {
    const Key key{order.id, order.kind};
    const auto found = known.find(key);
    kept[key] =
        found != known.end() ? std::move(found->second) : std::make_unique<Run>(*this, uid, std::move(order));
  }
  known = std::move(kept);
  if (known.empty()) pods_.erase(uid);
}

}  // namespace keelson::kubelet
