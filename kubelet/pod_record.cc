#include "kubelet/pod_record.h"

#include <limits>

#include "base/json.h"

namespace keelson::kubelet {
namespace {

// ---- out ----

int64_t nanos(WallTime time) { return time.time_since_epoch().count(); }

json::object encode(const Backoff& backoff) {
  json::object out{{"delay", backoff.delay.count()}};
  if (backoff.updated) out["updated"] = nanos(*backoff.updated);
  return out;
}

json::object encode(const api::ContainerStateTerminated& exit) {
  json::object out{{"exitCode", exit.exit_code},
                   {"signal", exit.signal},
                   {"reason", exit.reason},
                   {"message", exit.message},
                   {"containerID", exit.container_id}};
  if (exit.started_at) out["startedAt"] = nanos(*exit.started_at);
  if (exit.finished_at) out["finishedAt"] = nanos(*exit.finished_at);
  return out;
}

const std::pair<HookPhase, const char*> kHookPhases[] = {
    {HookPhase::kBegun, "begun"}, {HookPhase::kDone, "done"}, {HookPhase::kFailed, "failed"}};

json::object encode(const HookRecord& hook) {
  json::object out;
  for (const auto& [phase, name] : kHookPhases) {
    if (hook.phase == phase) out["phase"] = name;
  }
  if (hook.begun) out["begun"] = nanos(*hook.begun);
  if (!hook.message.empty()) out["message"] = hook.message;
  return out;
}

json::object encode(const InstanceRecord& instance) {
  json::object out{{"id", instance.id.str()},
                   {"attempt", instance.attempt},
                   {"sandboxAttempt", instance.sandbox_attempt},
                   {"image", instance.image},
                   {"imageID", instance.image_id},
                   {"stopSignal", instance.stop_signal},
                   {"startedAt", nanos(instance.started_at)}};
  if (instance.kill_at) out["killAt"] = nanos(*instance.kill_at);
  if (instance.exit) out["exit"] = encode(*instance.exit);
  if (instance.ready) out["ready"] = *instance.ready;
  if (instance.started) out["started"] = *instance.started;
  if (!instance.failed_probe.empty()) out["failedProbe"] = instance.failed_probe;
  if (instance.post_start != HookRecord{}) out["postStart"] = encode(instance.post_start);
  if (instance.pre_stop != HookRecord{}) out["preStop"] = encode(instance.pre_stop);
  if (instance.stop_by) out["stopBy"] = nanos(*instance.stop_by);
  return out;
}

json::object encode(const ContainerRecord& container) {
  json::object out{{"nextAttempt", container.next_attempt}, {"backoff", encode(container.backoff)}};
  if (container.current) out["current"] = encode(*container.current);
  if (container.previous) out["previous"] = encode(*container.previous);
  return out;
}

json::object encode(const api::PodCondition& condition) {
  json::object out{{"type", condition.type},
                   {"status", condition.status},
                   {"reason", condition.reason},
                   {"message", condition.message}};
  if (condition.last_transition_time) out["lastTransitionTime"] = nanos(*condition.last_transition_time);
  return out;
}

// ---- in ----

// Reads one object's members; the first wrong type is kept and makes the whole record an error.
class Reader {
 public:
  Reader(const json::object& object, std::string& error) : object_(object), error_(error) {}

  std::string text(const char* key) {
    const json::value* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return wrong<std::string>(key);
    return std::string(value->as_string());
  }
  bool flag(const char* key) {
    const json::value* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_bool()) return wrong<bool>(key);
    return value->as_bool();
  }
  std::optional<bool> optionalFlag(const char* key) {
    if (find(key) == nullptr) return std::nullopt;
    return flag(key);
  }
  template <class T>
  T number(const char* key) {
    const json::value* value = find(key);
    if (value == nullptr) return T{};
    boost::system::error_code failed;
    const T number = value->to_number<T>(failed);
    return failed ? wrong<T>(key) : number;
  }
  WallTime time(const char* key) { return WallTime(Duration(number<int64_t>(key))); }
  std::optional<WallTime> optionalTime(const char* key) {
    if (find(key) == nullptr) return std::nullopt;
    return time(key);
  }
  template <class Use>
  void object(const char* key, Use use) {
    const json::value* value = find(key);
    if (value == nullptr) return;
    if (!value->is_object()) {
      wrong<int>(key);
      return;
    }
    Reader inner(value->as_object(), error_);
    use(inner);
  }
  template <class Use>
  void each(const char* key, Use use) {  // members of an object of objects
    const json::value* value = find(key);
    if (value == nullptr) return;
    if (!value->is_object()) {
      wrong<int>(key);
      return;
    }
    for (const auto& member : value->as_object()) {
      if (!member.value().is_object()) {
        wrong<int>(key);
        return;
      }
      Reader inner(member.value().as_object(), error_);
      use(std::string(member.key()), inner);
    }
  }
  const json::array* list(const char* key) {
    const json::value* value = find(key);
    if (value == nullptr) return nullptr;
    if (value->is_array()) return &value->as_array();
    wrong<int>(key);
    return nullptr;
  }
  template <class T>
  T wrong(const char* key) {
    if (error_.empty()) error_ = fmt::format("{}: wrong type", key);
    return T{};
  }
  std::string& error() { return error_; }

 private:
  const json::value* find(const char* key) const { return object_.if_contains(key); }

  const json::object& object_;
  std::string& error_;
};

Backoff readBackoff(Reader& in) {
  return {Duration(in.number<int64_t>("delay")), in.optionalTime("updated")};
}

api::ContainerStateTerminated readExit(Reader& in) {
  api::ContainerStateTerminated exit;
  exit.exit_code = in.number<int32_t>("exitCode");
  exit.signal = in.number<int32_t>("signal");
  exit.reason = in.text("reason");
  exit.message = in.text("message");
  exit.container_id = in.text("containerID");
  exit.started_at = in.optionalTime("startedAt");
  exit.finished_at = in.optionalTime("finishedAt");
  return exit;
}

HookRecord readHook(Reader& in) {
  HookRecord hook;
  const std::string name = in.text("phase");
  for (const auto& [phase, known] : kHookPhases) {
    if (name == known) hook.phase = phase;
  }
  hook.begun = in.optionalTime("begun");
  hook.message = in.text("message");
  return hook;
}

InstanceRecord readInstance(Reader& in) {
  InstanceRecord instance;
  instance.id = ContainerId(in.text("id"));
  instance.attempt = in.number<uint32_t>("attempt");
  instance.sandbox_attempt = in.number<uint32_t>("sandboxAttempt");
  instance.image = in.text("image");
  instance.image_id = in.text("imageID");
  instance.stop_signal = in.number<int32_t>("stopSignal");
  instance.started_at = in.time("startedAt");
  instance.kill_at = in.optionalTime("killAt");
  in.object("exit", [&](Reader& exit) { instance.exit = readExit(exit); });
  instance.ready = in.optionalFlag("ready");
  instance.started = in.optionalFlag("started");
  instance.failed_probe = in.text("failedProbe");
  in.object("postStart", [&](Reader& hook) { instance.post_start = readHook(hook); });
  in.object("preStop", [&](Reader& hook) { instance.pre_stop = readHook(hook); });
  instance.stop_by = in.optionalTime("stopBy");
  return instance;
}

ContainerRecord readContainer(Reader& in) {
  ContainerRecord container;
  container.next_attempt = in.number<uint32_t>("nextAttempt");
  in.object("backoff", [&](Reader& backoff) { container.backoff = readBackoff(backoff); });
  in.object("current", [&](Reader& instance) { container.current = readInstance(instance); });
  in.object("previous", [&](Reader& instance) { container.previous = readInstance(instance); });
  return container;
}

api::PodCondition readCondition(Reader& in) {
  api::PodCondition condition;
  condition.type = in.text("type");
  condition.status = in.text("status");
  condition.reason = in.text("reason");
  condition.message = in.text("message");
  condition.last_transition_time = in.optionalTime("lastTransitionTime");
  return condition;
}

PodRecord readRecord(Reader& in) {
  PodRecord record;
  record.pod_namespace = in.text("namespace");
  record.pod_name = in.text("name");
  record.source = in.text("source");
  in.object("admission", [&](Reader& admission) {
    record.admission = {admission.flag("admitted"), admission.text("reason"), admission.text("message")};
  });
  record.start_time = in.optionalTime("startTime");
  record.next_sandbox = in.number<uint32_t>("nextSandbox");
  in.object("attached",
            [&](Reader& attached) { record.attached_sandbox = attached.number<uint32_t>("sandboxAttempt"); });
  if (const json::array* ips = in.list("podIPs")) {
    for (const auto& ip : *ips) {
      if (ip.is_string()) record.pod_ips.emplace_back(ip.as_string());
    }
  }
  in.each("containers",
          [&](const std::string& name, Reader& one) { record.containers[name] = readContainer(one); });
  in.each("pulls", [&](const std::string& image, Reader& one) {
    PullFailure& failure = record.pulls[image];
    one.object("backoff", [&](Reader& backoff) { failure.backoff = readBackoff(backoff); });
    failure.failed_at = one.time("failedAt");
    failure.reason = one.text("reason");
    failure.message = one.text("message");
  });
  if (const json::array* conditions = in.list("conditions")) {
    for (const auto& value : *conditions) {
      if (!value.is_object()) continue;
      Reader condition(value.as_object(), in.error());
      record.conditions.push_back(readCondition(condition));
    }
  }
  in.object("ending", [&](Reader& ending) {
    record.ending = {ending.text("phase"), ending.text("reason"), ending.text("message"), ending.time("at")};
    if (const auto grace = ending.optionalTime("grace")) record.ending->grace = grace->time_since_epoch();
    record.ending->disruption = ending.flag("disruption");
  });
  in.object("deletion", [&](Reader& deletion) {
    record.deletion = {deletion.time("at"), Duration(deletion.number<int64_t>("grace"))};
  });
  return record;
}

bool same(const Backoff& a, const Backoff& b) { return a.delay == b.delay && a.updated == b.updated; }

}  // namespace

bool ContainerRecord::operator==(const ContainerRecord& other) const {
  return next_attempt == other.next_attempt && current == other.current && previous == other.previous &&
         same(backoff, other.backoff);
}

bool PullFailure::operator==(const PullFailure& other) const {
  return same(backoff, other.backoff) && failed_at == other.failed_at && reason == other.reason &&
         message == other.message;
}

std::string encodeRecord(const PodRecord& record) {
  json::object out{{"version", kRecordVersion},
                   {"namespace", record.pod_namespace},
                   {"name", record.pod_name},
                   {"source", record.source},
                   {"nextSandbox", record.next_sandbox}};
  if (record.admission) {
    out["admission"] = {{"admitted", record.admission->admitted},
                        {"reason", record.admission->reason},
                        {"message", record.admission->message}};
  }
  if (record.start_time) out["startTime"] = nanos(*record.start_time);
  if (record.attached_sandbox) out["attached"] = {{"sandboxAttempt", *record.attached_sandbox}};
  json::array ips;
  for (const auto& ip : record.pod_ips) ips.emplace_back(ip);
  out["podIPs"] = std::move(ips);
  json::object containers;
  for (const auto& [name, container] : record.containers) containers[name] = encode(container);
  out["containers"] = std::move(containers);
  json::object pulls;
  for (const auto& [image, failure] : record.pulls) {
    pulls[image] = {{"backoff", encode(failure.backoff)},
                    {"failedAt", nanos(failure.failed_at)},
                    {"reason", failure.reason},
                    {"message", failure.message}};
  }
  out["pulls"] = std::move(pulls);
  json::array conditions;
  for (const auto& condition : record.conditions) conditions.push_back(encode(condition));
  out["conditions"] = std::move(conditions);
  if (record.ending) {
    out["ending"] = {{"phase", record.ending->phase},
                     {"reason", record.ending->reason},
                     {"message", record.ending->message},
                     {"at", nanos(record.ending->at)}};
    json::object& ending = out["ending"].as_object();
    if (record.ending->grace) ending["grace"] = record.ending->grace->count();
    if (record.ending->disruption) ending["disruption"] = true;
  }
  if (record.deletion) {
    out["deletion"] = {{"at", nanos(record.deletion->at)}, {"grace", record.deletion->grace.count()}};
  }
  return json::serialize(out);
}

Result<PodRecord> decodeRecord(std::string_view text) {
  const auto parsed = parseJson(text, kMaxRecordBytes);
  if (!parsed) return makeError(Code::kDataLoss, "pod record: {}", parsed.error().text);
  if (!parsed->is_object()) return makeError(Code::kDataLoss, "pod record: not an object");
  std::string error;
  Reader in(parsed->as_object(), error);
  const int version = in.number<int>("version");
  if (version != kRecordVersion) {
    return makeError(Code::kDataLoss, "pod record: version {}, this daemon knows {}", version,
                     kRecordVersion);
  }
  PodRecord record = readRecord(in);
  if (!error.empty()) return makeError(Code::kDataLoss, "pod record: {}", error);
  return record;
}

}  // namespace keelson::kubelet
