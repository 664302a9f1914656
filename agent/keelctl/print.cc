#include "agent/keelctl/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace keelson::keelctl {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

const json::value kNull;

const json::array& arrayAt(const json::value& value, std::string_view path) {
  static const json::array kEmpty;
  const json::value& found = at(value, path);
  return found.is_array() ? found.get_array() : kEmpty;
}

bool boolAt(const json::value& value, std::string_view path) {
  const json::value& found = at(value, path);
  return found.is_bool() && found.get_bool();
}

std::string terminatedReason(const json::value& terminated) {
  const std::string reason = textAt(terminated, "reason");
  if (!reason.empty()) return reason;
  const int64_t signal = numberAt(terminated, "signal");
  return signal != 0 ? fmt::format("Signal:{}", signal)
                     : fmt::format("ExitCode:{}", numberAt(terminated, "exitCode"));
}

// The reason of the first init container that holds the pod up: "Init:0/2", "Init:Error", ...
std::optional<std::string> initReason(const json::value& pod) {
  const auto& statuses = arrayAt(pod, "status.initContainerStatuses");
  for (size_t i = 0; i < statuses.size(); ++i) {
    const json::value& status = statuses[i];
    if (at(status, "state.terminated").is_object()) {
      if (numberAt(status, "state.terminated.exitCode") == 0) continue;
      return "Init:" + terminatedReason(at(status, "state.terminated"));
    }
    if (boolAt(status, "started") && boolAt(status, "ready")) continue;
    const std::string waiting = textAt(status, "state.waiting.reason");
    if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
    return fmt::format("Init:{}/{}", i, statuses.size());
  }
  return std::nullopt;
}

}  // namespace

const json::value& at(const json::value& value, std::string_view path) {
  const json::value* here = &value;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string_view part = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (const auto* object = here->if_object()) {
      here = object->if_contains(part);
    } else if (const auto* array = here->if_array()) {
      size_t index = 0;
      const auto [end, fault] = std::from_chars(part.data(), part.data() + part.size(), index);
      const bool number = fault == std::errc() && end == part.data() + part.size();
      here = number && index < array->size() ? &(*array)[index] : nullptr;
    } else {
      here = nullptr;
    }
    if (here == nullptr) return kNull;
  }
  return *here;
}

std::string textAt(const json::value& value, std::string_view path) {
  const json::value& found = at(value, path);
  return found.is_string() ? std::string(found.get_string()) : "";
}

int64_t numberAt(const json::value& value, std::string_view path) {
  const json::value& found = at(value, path);
  if (found.is_int64()) return found.get_int64();
  if (found.is_uint64()) return static_cast<int64_t>(found.get_uint64());
  return 0;
}

std::string Table::str() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 3, ' ');
    }
    out += '\n';
  }
  return out;
}

// As duration.HumanDuration of k8s.io/apimachinery.
std::string shortDuration(Duration duration) {
  const int64_t s = duration_cast<seconds>(duration).count();
  if (s < 0) return "0s";
  if (s < 120) return fmt::format("{}s", s);
  const int64_t m = s / 60;
  if (m < 10) return s % 60 == 0 ? fmt::format("{}m", m) : fmt::format("{}m{}s", m, s % 60);
  if (m < 180) return fmt::format("{}m", m);
  const int64_t h = m / 60;
  if (h < 8) return m % 60 == 0 ? fmt::format("{}h", h) : fmt::format("{}h{}m", h, m % 60);
  if (h < 48) return fmt::format("{}h", h);
  const int64_t d = h / 24;
  if (d < 8) return h % 24 == 0 ? fmt::format("{}d", d) : fmt::format("{}d{}h", d, h % 24);
  if (d < 730) return fmt::format("{}d", d);
  return fmt::format("{}y", d / 365);
}

std::string ageSince(const json::value& rfc3339, WallTime now) {
  if (!rfc3339.is_string()) return "<unknown>";
  const auto time = parseTime(std::string_view(rfc3339.get_string()));
  return time ? shortDuration(now - *time) : "<unknown>";
}

PodSummary summarizePod(const json::value& pod, WallTime now) {
  PodSummary summary;
  size_t ready = 0;
  int64_t restarts = 0;
  std::optional<WallTime> last_restart;
  bool any_running = false;
  std::string reason = textAt(pod, "status.reason");
  if (reason.empty()) reason = textAt(pod, "status.phase");
  if (reason.empty()) reason = "Pending";
  const auto& statuses = arrayAt(pod, "status.containerStatuses");
  const auto init = initReason(pod);
  for (auto status = statuses.rbegin(); status != statuses.rend(); ++status) {
    restarts += numberAt(*status, "restartCount");
    if (const auto time = parseTime(textAt(*status, "lastState.terminated.finishedAt")))
      last_restart = std::max(last_restart.value_or(*time), *time);
    if (boolAt(*status, "ready")) ++ready;
    if (at(*status, "state.running").is_object()) any_running = true;
    if (init) continue;
    if (const std::string waiting = textAt(*status, "state.waiting.reason"); !waiting.empty()) {
      reason = waiting;
    } else if (at(*status, "state.terminated").is_object()) {
      reason = terminatedReason(at(*status, "state.terminated"));
    }
  }
  if (init && textAt(pod, "status.phase") != "Failed") reason = *init;
  if (reason == "Completed" && any_running) reason = ready == statuses.size() ? "Running" : "NotReady";
  if (at(pod, "metadata.deletionTimestamp").is_string()) reason = "Terminating";
  summary.ready = fmt::format("{}/{}", ready, arrayAt(pod, "spec.containers").size());
  summary.status = reason;
  summary.restarts = std::to_string(restarts);
  if (restarts > 0 && last_restart) summary.restarts += " (" + shortDuration(now - *last_restart) + " ago)";
  return summary;
}

std::string humanBytes(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{}", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{}Ki", bytes / 1024);
  if (bytes < int64_t{1024} * 1024 * 1024) return fmt::format("{}Mi", bytes / (1024 * 1024));
  return fmt::format("{:.1f}Gi", static_cast<double>(bytes) / (1024.0 * 1024 * 1024));
}

}  // namespace keelson::keelctl
