#include <algorithm>
#include <array>

#include "api/validate_parts.h"

namespace keelson::api {
namespace {

// What probes and lifecycle hooks have in common.
struct Handler {
  const std::optional<ExecAction>* exec = nullptr;
  const std::optional<HttpGetAction>* http_get = nullptr;
  const std::optional<TcpSocketAction>* tcp_socket = nullptr;
  const std::optional<GrpcAction>* grpc = nullptr;
  const std::optional<SleepAction>* sleep = nullptr;
};

void validatePort(const IntOrString& port, const FieldPath& path, FieldErrors& errors) {
  if (const auto* number = std::get_if<int32_t>(&port)) {
    for (const auto& error : checkPortNumber(*number)) errors.invalid(path, *number, error);
  } else {
    const auto& name = std::get<std::string>(port);
    errors.invalid(path, name, checkPortName(name));
  }
}

void validateHttpGet(const HttpGetAction& action, const FieldPath& path, FieldErrors& errors) {
  if (action.path.empty()) errors.required(path.child("path"));
  validatePort(action.port, path.child("port"), errors);
  errors.requireOneOf(path.child("scheme"), action.scheme, {"HTTP", "HTTPS"});
  for (const auto& header : action.http_headers) {
    errors.invalid(path.child("httpHeaders"), header.name, checkHttpHeaderName(header.name));
  }
}

void validateHandler(const Handler& handler, const PodSpec& spec, const FieldPath& path,
                     FieldErrors& errors) {
  int count = 0;
  const auto isOnly = [&](const auto* action, std::string_view field) {
    if (action == nullptr || !action->has_value()) return false;
    if (++count == 1) return true;
    errors.forbidden(path.child(field), "may not specify more than 1 handler type");
    return false;
  };
  if (isOnly(handler.exec, "exec") && (*handler.exec)->command.empty()) {
    errors.required(path.child("exec").child("command"));
  }
  if (isOnly(handler.http_get, "httpGet")) validateHttpGet(**handler.http_get, path.child("httpGet"), errors);
  if (isOnly(handler.tcp_socket, "tcpSocket")) {
    validatePort((*handler.tcp_socket)->port, path.child("tcpSocket").child("port"), errors);
  }
  if (isOnly(handler.grpc, "grpc")) {
    validatePort((*handler.grpc)->port, path.child("grpc").child("port"), errors);
  }
  if (isOnly(handler.sleep, "sleep") && spec.termination_grace_period_seconds) {
    const int64_t seconds = (*handler.sleep)->seconds;
    const int64_t grace = *spec.termination_grace_period_seconds;
    if (seconds < 0 || seconds > grace) {
      errors.invalid(
          path.child("sleep"), seconds,
          fmt::format("must be non-negative and less than terminationGracePeriodSeconds ({})", grace));
    }
  }
  if (count == 0) errors.required(path, "must specify a handler type");
}

enum class ProbeKind { kLiveness, kReadiness, kStartup };

void validateProbe(const std::optional<Probe>& probe, ProbeKind kind, const PodSpec& spec,
                   const FieldPath& path, FieldErrors& errors) {
  if (!probe) return;
  validateHandler({&probe->exec, &probe->http_get, &probe->tcp_socket, &probe->grpc}, spec, path, errors);
  const auto natural = [&](int32_t value, std::string_view field) {
    if (value < 0) errors.invalid(path.child(field), value, kMustNotBeNegative);
  };
  natural(probe->initial_delay_seconds, "initialDelaySeconds");
  natural(probe->timeout_seconds, "timeoutSeconds");
  natural(probe->period_seconds, "periodSeconds");
  natural(probe->success_threshold, "successThreshold");
  natural(probe->failure_threshold, "failureThreshold");
  const FieldPath grace = path.child("terminationGracePeriodSeconds");
  if (probe->termination_grace_period_seconds && *probe->termination_grace_period_seconds <= 0) {
    errors.invalid(grace, *probe->termination_grace_period_seconds, "must be greater than 0");
  }
  if (kind == ProbeKind::kReadiness) {
    if (probe->termination_grace_period_seconds) {
      errors.invalid(grace, *probe->termination_grace_period_seconds, "must not be set for readinessProbes");
    }
  } else if (probe->success_threshold != 1) {
    errors.invalid(path.child("successThreshold"), probe->success_threshold, "must be 1");
  }
}

constexpr std::array<std::string_view, 34> kSignals{
    "SIGABRT", "SIGALRM", "SIGBUS",    "SIGCHLD",   "SIGCLD",   "SIGCONT", "SIGFPE",  "SIGHUP",  "SIGILL",
    "SIGINT",  "SIGIO",   "SIGIOT",    "SIGKILL",   "SIGPIPE",  "SIGPOLL", "SIGPROF", "SIGPWR",  "SIGQUIT",
    "SIGSEGV", "SIGSTOP", "SIGSTKFLT", "SIGSYS",    "SIGTERM",  "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU",
    "SIGURG",  "SIGUSR1", "SIGUSR2",   "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ"};

// Also the real-time ones: SIGRTMIN to SIGRTMIN+15, SIGRTMAX-14 to SIGRTMAX.
bool isSignal(std::string_view name) {
  if (std::find(kSignals.begin(), kSignals.end(), name) != kSignals.end()) return true;
  const bool from_min = name.starts_with("SIGRTMIN");
  if (!from_min && !name.starts_with("SIGRTMAX")) return false;
  std::string_view offset = name.substr(8);
  if (offset.empty()) return true;
  if (offset.front() != (from_min ? '+' : '-')) return false;
  offset.remove_prefix(1);
  if (offset.empty() || offset.size() > 2 || offset.front() == '0') return false;
  int value = 0;
  for (char c : offset) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value <= (from_min ? 15 : 14);
}

void validateLifecycle(const Lifecycle& lifecycle, const PodSpec& spec, const FieldPath& path,
                       FieldErrors& errors) {
  const auto hook = [&](const std::optional<LifecycleHandler>& handler, std::string_view field) {
    if (!handler) return;
    validateHandler({&handler->exec, &handler->http_get, &handler->tcp_socket, nullptr, &handler->sleep},
                    spec, path.child(field), errors);
  };
  hook(lifecycle.post_start, "postStart");
  hook(lifecycle.pre_stop, "preStop");
  if (lifecycle.stop_signal.empty()) return;
  if (!spec.os_name) {
    errors.forbidden(path.child("stopSignal"), "may not be set for containers with empty `spec.os.name`");
  } else if (!isSignal(lifecycle.stop_signal)) {
    errors.invalid(path.child("stopSignal"), lifecycle.stop_signal,
                   "must be the name of a signal, as SIGTERM");
  }
}

}  // namespace

void validateProbes(const Container& container, const PodSpec& spec, const FieldPath& path,
                    FieldErrors& errors) {
  if (container.lifecycle) validateLifecycle(*container.lifecycle, spec, path.child("lifecycle"), errors);
  validateProbe(container.liveness_probe, ProbeKind::kLiveness, spec, path.child("livenessProbe"), errors);
  validateProbe(container.readiness_probe, ProbeKind::kReadiness, spec, path.child("readinessProbe"), errors);
  validateProbe(container.startup_probe, ProbeKind::kStartup, spec, path.child("startupProbe"), errors);
}

}  // namespace keelson::api
