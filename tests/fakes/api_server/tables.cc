#include "tests/fakes/api_server/tables.h"

#include "base/clock.h"
#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {
namespace {

struct Column {
  const char *name, *type, *format;
  int priority = 0;
};

std::string ageOf(const json::object& object) {
  const auto made = parseTime(textAt(object, "metadata.creationTimestamp"));
  if (!made) return "<unknown>";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(realClock().wall() - *made).count();
  if (seconds < 120) return fmt::format("{}s", std::max<int64_t>(seconds, 0));
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string orNone(std::string text) { return text.empty() ? "<none>" : text; }

std::string nodeRoles(const json::object& node) {
  std::string roles;
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  if (const auto* labels = find(node, "metadata.labels"); labels != nullptr && labels->is_object()) {
    for (const auto& [key, value] : labels->get_object()) {
      if (std::string_view(key).starts_with(kPrefix))
        roles += (roles.empty() ? "" : ",") + std::string(key).substr(kPrefix.size());
    }
  }
  return orNone(std::move(roles));
}

std::string nodeStatus(const json::object& node) {
  std::string status = "Unknown";
  if (const auto* conditions = find(node, "status.conditions");
      conditions != nullptr && conditions->is_array()) {
    for (const auto& condition : conditions->get_array()) {
      if (textAt(condition.as_object(), "type") == "Ready")
        status = textAt(condition.as_object(), "status") == "True" ? "Ready" : "NotReady";
    }
  }
  return flagAt(node, "spec.unschedulable") ? status + ",SchedulingDisabled" : status;
}

std::string nodeAddress(const json::object& node, std::string_view type) {
  if (const auto* addresses = find(node, "status.addresses"); addresses != nullptr && addresses->is_array()) {
    for (const auto& address : addresses->get_array()) {
      if (textAt(address.as_object(), "type") == type) return textAt(address.as_object(), "address");
    }
  }
  return "<none>";
}

struct PodSummary {
  int64_t ready = 0, total = 0, restarts = 0;
  std::string status;
};

PodSummary summarize(const json::object& pod) {
  PodSummary summary;
  if (const auto* containers = find(pod, "spec.containers"); containers != nullptr && containers->is_array())
    summary.total = static_cast<int64_t>(containers->get_array().size());
  summary.status = textAt(pod, "status.reason");
  if (summary.status.empty()) summary.status = textAt(pod, "status.phase");
  if (const auto* list = find(pod, "status.containerStatuses"); list != nullptr && list->is_array()) {
    for (const auto& each : list->get_array()) {
      const auto& status = each.as_object();
      summary.restarts += numberAt(status, "restartCount");
      summary.ready += flagAt(status, "ready") ? 1 : 0;
      for (const char* state : {"state.waiting.reason", "state.terminated.reason"}) {
        if (auto reason = textAt(status, state); !reason.empty()) summary.status = std::move(reason);
      }
    }
  }
  if (find(pod, "metadata.deletionTimestamp") != nullptr) summary.status = "Terminating";
  return summary;
}

std::vector<Column> columnsOf(const ResourceType& type) {
  if (type.name.plural == "pods") {
    return {{"Name", "string", "name"},
            {"Ready", "string", ""},
            {"Status", "string", ""},
            {"Restarts", "string", ""},
            {"Age", "string", ""},
            {"IP", "string", "", 1},
            {"Node", "string", "", 1},
            {"Nominated Node", "string", "", 1},
            {"Readiness Gates", "string", "", 1}};
  }
  if (type.name.plural == "nodes") {
    return {{"Name", "string", "name"},
            {"Status", "string", ""},
            {"Roles", "string", ""},
            {"Age", "string", ""},
            {"Version", "string", ""},
            {"Internal-IP", "string", "", 1},
            {"External-IP", "string", "", 1},
            {"OS-Image", "string", "", 1},
            {"Kernel-Version", "string", "", 1},
            {"Container-Runtime", "string", "", 1}};
  }
  return {{"Name", "string", "name"}, {"Age", "string", ""}};
}

json::array cellsOf(const ResourceType& type, const json::object& object) {
  const auto name = textAt(object, "metadata.name");
  if (type.name.plural == "pods") {
    const auto summary = summarize(object);
    return {name,
            fmt::format("{}/{}", summary.ready, summary.total),
            summary.status,
            std::to_string(summary.restarts),
            ageOf(object),
            orNone(textAt(object, "status.podIP")),
            orNone(textAt(object, "spec.nodeName")),
            "<none>",
            "<none>"};
  }
  if (type.name.plural == "nodes") {
    return {name,
            nodeStatus(object),
            nodeRoles(object),
            ageOf(object),
            textAt(object, "status.nodeInfo.kubeletVersion"),
            nodeAddress(object, "InternalIP"),
            nodeAddress(object, "ExternalIP"),
            textAt(object, "status.nodeInfo.osImage"),
            textAt(object, "status.nodeInfo.kernelVersion"),
            textAt(object, "status.nodeInfo.containerRuntimeVersion")};
  }
  return {name, ageOf(object)};
}

}  // namespace

json::object renderTable(const ResourceType& type, const std::vector<json::object>& objects,
                         bool with_columns) {
  json::array rows, columns;
  for (const auto& object : objects) {
    json::object partial{{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}};
    copyAt(object, partial, "metadata");
    rows.push_back(json::object{{"cells", cellsOf(type, object)}, {"object", std::move(partial)}});
  }
  json::object table{{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", json::object()}};
  if (objects.size() == 1) copyAt(objects[0], table, "metadata.resourceVersion");
  if (with_columns) {
    for (const auto& column : columnsOf(type)) {
      columns.push_back(json::object{{"name", column.name},
                                     {"type", column.type},
                                     {"format", column.format},
                                     {"description", column.name},
                                     {"priority", column.priority}});
    }
  }
  table["columnDefinitions"] = std::move(columns);
  table["rows"] = std::move(rows);
  return table;
}

}  // namespace keelson::fakes
