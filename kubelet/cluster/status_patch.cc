#include "kubelet/cluster/status_patch.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "api/codec.h"
#include "kubelet/pod_status.h"
#include "kubelet/static_pod.h"

namespace keelson::kubelet::cluster {
namespace {

// What the kubelet alone sets; all others are kept as they are.
constexpr std::array<std::string_view, 7> kOwnConditions = {
    "PodReadyToStartContainers", "Initialized",      "Ready",
    "ContainersReady",           "PodResizePending", "PodResizeInProgress",
    "AllContainersRestarting",
};

bool isOwn(const std::string& type) {
  return std::find(kOwnConditions.begin(), kOwnConditions.end(), type) != kOwnConditions.end();
}

const api::PodCondition* find(const std::vector<api::PodCondition>& conditions, const std::string& type) {
  for (const auto& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

std::vector<api::PodCondition> mergeConditions(const std::vector<api::PodCondition>& known,
                                               const std::vector<api::PodCondition>& wanted) {
  std::vector<api::PodCondition> merged;
  for (const auto& condition : wanted) {
    const api::PodCondition* before = find(known, condition.type);
    // The scheduler's word stands; which generation it is true of is the kubelet's (generateAPIPodStatus).
    const bool foreign = condition.type == "PodScheduled" && before != nullptr;
    merged.push_back(foreign ? *before : condition);
    if (before == nullptr) continue;
    api::PodCondition& now = merged.back();
    now.observed_generation = std::max(condition.observed_generation, before->observed_generation);
    if (now.status == before->status && before->last_transition_time) {
      now.last_transition_time = before->last_transition_time;
    }
    now.last_probe_time = before->last_probe_time;
  }
  for (const auto& condition : known) {
    if (!isOwn(condition.type) && find(merged, condition.type) == nullptr) merged.push_back(condition);
  }
  return merged;
}

// Kubernetes' words for a container that was there and is nowhere now.
api::ContainerStateTerminated lostEnd(const api::ContainerStatus& was) {
  api::ContainerStateTerminated end;
  end.exit_code = 137;
  end.reason = "ContainerStatusUnknown";
  end.message =
      "The container could not be located when the pod was deleted.  The container used to be Running";
  end.container_id = was.container_id;
  return end;
}

api::ContainerStatus mergeContainer(const api::ContainerStatus& was, api::ContainerStatus now) {
  now.restart_count = std::max(now.restart_count, was.restart_count);
  const bool older_look = was.state.terminated && now.state.running && !was.container_id.empty() &&
                          was.container_id == now.container_id;
  if (older_look) return was;
  const bool forgotten = !was.container_id.empty() && now.container_id.empty() && !now.last_state.terminated;
  if (forgotten) {
    now.container_id = was.container_id;
    if (now.image_id.empty()) now.image_id = was.image_id;
    if (was.state.terminated) {
      now.last_state.terminated = was.state.terminated;
    } else if (was.state.running) {
      now.last_state.terminated = lostEnd(was);
    } else {
      now.last_state = was.last_state;
    }
  } else if (!now.last_state.terminated && was.last_state.terminated &&
             now.container_id == was.container_id) {
    now.last_state = was.last_state;
  }
  if (!now.user && now.container_id == was.container_id) now.user = was.user;
  return now;
}

std::vector<api::ContainerStatus> mergeContainers(const std::vector<api::ContainerStatus>& known,
                                                  const std::vector<api::ContainerStatus>& wanted) {
  if (wanted.empty()) return known;
  std::vector<api::ContainerStatus> merged;
  for (const auto& now : wanted) {
    const auto was =
        std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == now.name; });
    merged.push_back(was == known.end() ? now : mergeContainer(*was, now));
  }
  return merged;
}

// ---- the patch ----

// The members of `now` that differ from `was`; null for those that are gone.
json::object changes(const json::object& was, const json::object& now) {
  json::object out;
  for (const auto& member : now) {
    const json::value* before = was.if_contains(member.key());
    if (before == nullptr ? !member.value().is_null() : *before != member.value())
      out[member.key()] = member.value();
  }
  for (const auto& member : was) {
    if (!now.contains(member.key()) && !member.value().is_null()) out[member.key()] = nullptr;
  }
  return out;
}

const json::object* findItem(const json::array& list, const char* key, const json::value& name) {
  for (const auto& item : list) {
    const json::object* object = item.if_object();
    const json::value* found = object == nullptr ? nullptr : object->if_contains(key);
    if (found != nullptr && *found == name) return object;
  }
  return nullptr;
}

// The patch of a list whose items are merged by `key` (patchMergeKey).
json::array keyedChanges(const json::array& was, const json::array& now, const char* key) {
  json::array out;
  for (const auto& item : now) {
    const json::object& object = item.as_object();
    const json::value& name = object.at(key);
    const json::object* before = findItem(was, key, name);
    if (before == nullptr) {
      out.push_back(item);
      continue;
    }
    json::object changed = changes(*before, object);
    if (changed.empty()) continue;
    changed[key] = name;
    out.push_back(std::move(changed));
  }
  for (const auto& item : was) {
    const json::value& name = item.as_object().at(key);
    if (findItem(now, key, name) == nullptr) out.push_back(json::object{{"$patch", "delete"}, {key, name}});
  }
  return out;
}

const json::array& listOf(const json::object& object, const char* name) {
  static const json::array kNone;
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_array() ? found->get_array() : kNone;
}

}  // namespace

bool isMirror(const api::Pod& known) { return known.metadata.annotations.count(kConfigMirror) > 0; }

PodUid localUid(const api::Pod& known) {
  const auto mirror = known.metadata.annotations.find(kConfigMirror);
  return PodUid(mirror == known.metadata.annotations.end() ? known.metadata.uid : mirror->second);
}

api::PodStatus mergeStatus(const api::Pod& known, const api::PodStatus& wanted) {
  const api::PodStatus& was = known.status;
  api::PodStatus merged = wanted;
  merged.observed_generation = std::max(was.observed_generation, wanted.observed_generation);
  if (merged.phase.empty()) merged.phase = was.phase;
  if (isOver(was)) {
    merged.phase = was.phase;
    merged.reason = was.reason;
    merged.message = was.message;
  }
  merged.conditions = mergeConditions(was.conditions, wanted.conditions);
  if (was.start_time) merged.start_time = was.start_time;
  if (!was.qos_class.empty()) merged.qos_class = was.qos_class;
  if (merged.pod_ips.empty()) merged.pod_ips = was.pod_ips;
  if (merged.host_ips.empty()) merged.host_ips = was.host_ips;
  merged.init_container_statuses =
      mergeContainers(was.init_container_statuses, wanted.init_container_statuses);
  merged.container_statuses = mergeContainers(was.container_statuses, wanted.container_statuses);
  merged.ephemeral_container_statuses =
      mergeContainers(was.ephemeral_container_statuses, wanted.ephemeral_container_statuses);
  return merged;
}

std::optional<json::value> statusPatch(const api::Pod& known, const api::PodStatus& wanted) {
  const json::value was_value = api::encode(known.status);
  const json::value now_value = api::encode(mergeStatus(known, wanted));
  const json::object& was = was_value.as_object();
  const json::object& now = now_value.as_object();
  json::object status = changes(was, now);
  struct Keyed {
    const char* list;
    const char* key;
  };
  for (const auto& [list, key] : {Keyed{"conditions", "type"}, {"podIPs", "ip"}, {"hostIPs", "ip"}}) {
    if (!status.contains(list)) continue;
    json::array changed = keyedChanges(listOf(was, list), listOf(now, list), key);
    if (changed.empty()) {
      status.erase(list);  // only their order differs, which nobody reads
    } else {
      status[list] = std::move(changed);
    }
  }
  if (status.empty()) return std::nullopt;
  return json::object{{"metadata", {{"uid", known.metadata.uid}}}, {"status", std::move(status)}};
}

}  // namespace keelson::kubelet::cluster
