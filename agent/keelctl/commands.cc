#include "agent/keelctl/commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "agent/keelctl/print.h"
#include "api/yaml.h"
#include "base/fs.h"
#include "base/unique_fd.h"

namespace keelson::keelctl {
namespace {

WallTime now() { return realClock().wall(); }

const json::array& items(const json::value& list) {
  static const json::array kEmpty;
  const json::value& found = at(list, "items");
  return found.is_array() ? found.get_array() : kEmpty;
}

void print(std::string_view text) { fmt::print("{}", text); }

// JSON or YAML when asked for; false: the caller prints its table.
bool printedWhole(const Common& common, const json::value& value) {
  if (common.output == "json") return print(prettyJson(value)), true;
  if (common.output == "yaml") return print(api::renderYaml(value)), true;
  return false;
}

std::string podTarget(const std::string& pod_namespace, const std::string& name) {
  return makeTarget({"v1", "pods", pod_namespace, name});
}

std::string orNone(const std::string& text) { return text.empty() ? "<none>" : text; }

json::value listOf(json::array members) {
  return {{"kind", "List"}, {"apiVersion", "v1"}, {"items", std::move(members)}};
}

void printEnvironment(const json::value& container) {
  const json::value& env = at(container, "env");
  if (!env.is_array() || env.get_array().empty()) return;
  print("    Environment:\n");
  for (const auto& each : env.get_array())
    fmt::print("      {}:  {}\n", textAt(each, "name"), textAt(each, "value"));
}

void printState(const char* label, const json::value& state) {
  for (const char* kind : {"waiting", "running", "terminated"}) {
    const json::value& body = at(state, kind);
    if (!body.is_object()) continue;
    std::string title(kind);
    title[0] = static_cast<char>(title[0] - 'a' + 'A');
    fmt::print("    {:<15}{}\n", std::string(label) + ":", title);
    for (const auto& [key, name] : {std::pair{"reason", "Reason"}, {"message", "Message"}}) {
      if (const std::string text = textAt(body, key); !text.empty())
        fmt::print("      {:<13}{}\n", std::string(name) + ":", text);
    }
    if (std::string_view(kind) == "terminated")
      fmt::print("      {:<13}{}\n", "Exit Code:", numberAt(body, "exitCode"));
    if (const std::string text = textAt(body, "startedAt"); !text.empty())
      fmt::print("      {:<13}{}\n", "Started:", text);
    if (const std::string text = textAt(body, "finishedAt"); !text.empty())
      fmt::print("      {:<13}{}\n", "Finished:", text);
  }
}

void printContainers(const json::value& pod, const char* title, const char* spec_path,
                     const char* status_path) {
  const json::value& specs = at(pod, spec_path);
  if (!specs.is_array() || specs.get_array().empty()) return;
  fmt::print("{}:\n", title);
  for (const auto& container : specs.get_array()) {
    const std::string name = textAt(container, "name");
    fmt::print("  {}:\n    {:<15}{}\n", name, "Image:", textAt(container, "image"));
    const json::value& statuses = at(pod, status_path);
    if (statuses.is_array()) {
      for (const auto& status : statuses.get_array()) {
        if (textAt(status, "name") != name) continue;
        fmt::print("    {:<15}{}\n    {:<15}{}\n", "Container ID:", textAt(status, "containerID"),
                   "Image ID:", textAt(status, "imageID"));
        printState("State", at(status, "state"));
        printState("Last State", at(status, "lastState"));
        fmt::print("    {:<15}{}\n    {:<15}{}\n",
                   "Ready:", at(status, "ready") == json::value(true) ? "True" : "False",
                   "Restart Count:", numberAt(status, "restartCount"));
      }
    }
    printEnvironment(container);
    const json::value& mounts = at(container, "volumeMounts");
    if (mounts.is_array() && !mounts.get_array().empty()) {
      print("    Mounts:\n");
      for (const auto& mount : mounts.get_array())
        fmt::print("      {} from {} ({})\n", textAt(mount, "mountPath"), textAt(mount, "name"),
                   at(mount, "readOnly") == json::value(true) ? "ro" : "rw");
    }
  }
}

void printTimeline(const json::value& view) {
  const json::value& timeline = at(view, "timeline");
  if (!timeline.is_array()) return;
  Table table({"AT", "TOOK", "STEP", "OUTCOME"});
  for (const auto& entry : timeline.get_array()) {
    table.add({textAt(entry, "at"),
               fmt::format("{:.1f}ms", static_cast<double>(numberAt(entry, "tookNanoseconds")) / 1e6),
               textAt(entry, "step"), textAt(entry, "outcome").empty() ? "ok" : textAt(entry, "outcome")});
  }
  print(table.str());
  if (const std::string wait = textAt(view, "currentWait"); !wait.empty())
    fmt::print("now waiting for: {}\n", wait);
}

}  // namespace

Result<void> getPods(const Client& client, const Common& common, const std::vector<std::string>& names) {
  json::array pods;
  if (names.empty()) {
    const json::value list = TRY(client.getJson("/v1/pods"));
    for (const auto& pod : items(list)) {
      if (common.all_namespaces || textAt(pod, "metadata.namespace") == common.pod_namespace)
        pods.push_back(pod);
    }
  }
  for (const std::string& name : names) {
    const json::value view = TRY(client.getJson(podTarget(common.pod_namespace, name)));
    pods.push_back(at(view, "pod"));
  }
  if (printedWhole(common, names.size() == 1 ? pods.front() : listOf(pods))) return {};
  if (common.output == "name") {
    for (const auto& pod : pods) fmt::print("pod/{}\n", textAt(pod, "metadata.name"));
    return {};
  }
  if (pods.empty()) {
    if (common.all_namespaces)
      fmt::print(stderr, "No resources found\n");
    else
      fmt::print(stderr, "No resources found in {} namespace.\n", common.pod_namespace);
    return {};
  }
  std::vector<std::string> header{"NAME", "READY", "STATUS", "RESTARTS", "AGE"};
  if (common.output == "wide") header.insert(header.end(), {"IP", "NODE"});
  if (common.all_namespaces) header.insert(header.begin(), "NAMESPACE");
  Table table(header);
  for (const auto& pod : pods) {
    const PodSummary summary = summarizePod(pod, now());
    std::vector<std::string> row{textAt(pod, "metadata.name"), summary.ready, summary.status,
                                 summary.restarts, ageSince(at(pod, "metadata.creationTimestamp"), now())};
    if (common.output == "wide")
      row.insert(row.end(), {orNone(textAt(pod, "status.podIP")), orNone(textAt(pod, "spec.nodeName"))});
    if (common.all_namespaces) row.insert(row.begin(), textAt(pod, "metadata.namespace"));
    table.add(std::move(row));
  }
  print(table.str());
  return {};
}

Result<void> getManifests(const Client& client, const Common& common) {
  const json::value list = TRY(client.getJson("/v1/manifests"));
  if (printedWhole(common, list)) return {};
  Table table({"FILE", "OBJECTS", "READ", "ERROR"});
  for (const auto& file : items(list)) {
    std::string objects;
    for (const auto& object :
         at(file, "objects").is_array() ? at(file, "objects").get_array() : json::array{})
      objects += (objects.empty() ? "" : ", ") + std::string(object.get_string());
    table.add({textAt(file, "file"), orNone(objects), ageSince(at(file, "readAt"), now()) + " ago",
               orNone(textAt(file, "error"))});
  }
  print(table.str());
  return {};
}

Result<void> getNetwork(const Client& client, const Common& common) {
  const json::value list = TRY(client.getJson("/v1/network"));
  if (printedWhole(common, list)) return {};
  Table table({"POD", "ADDRESSES", "LINK", "UID"});
  for (const auto& entry : items(list)) {
    std::string addresses;
    for (const auto& address :
         at(entry, "addresses").is_array() ? at(entry, "addresses").get_array() : json::array{})
      addresses += (addresses.empty() ? "" : ",") + std::string(address.get_string());
    table.add({textAt(entry, "pod"), orNone(addresses), orNone(textAt(entry, "link")), textAt(entry, "uid")});
  }
  print(table.str());
  return {};
}

Result<void> getHealth(const Client& client, const Common& common) {
  const json::value health = TRY(client.getJson("/v1/health"));
  if (printedWhole(common, health)) return {};
  fmt::print(
      "version:   {}\nstarted:   {} ago\nloop:      {} callbacks, longest {:.1f} ms, turned {:.1f} s ago\n",
      textAt(health, "version"), ageSince(at(health, "startedAt"), now()), numberAt(health, "loop.callbacks"),
      static_cast<double>(numberAt(health, "loop.longestNanoseconds")) / 1e6,
      static_cast<double>(numberAt(health, "loop.sinceTurnNanoseconds")) / 1e9);
  Table table({"STRAND", "QUEUED", "RUNNING"});
  for (const auto& strand :
       at(health, "strands").is_array() ? at(health, "strands").get_array() : json::array{}) {
    table.add(
        {textAt(strand, "name"), std::to_string(numberAt(strand, "queued")),
         numberAt(strand, "runningNanoseconds") == 0
             ? "idle"
             : fmt::format("{:.1f} ms", static_cast<double>(numberAt(strand, "runningNanoseconds")) / 1e6)});
  }
  print(table.str());
  return {};
}

Result<void> getImages(const Client& client, const Common& common) {
  const json::value list = TRY(client.getJson("/v1/images"));
  if (printedWhole(common, list)) return {};
  Table table({"IMAGE", "TAG", "IMAGE ID", "SIZE"});
  for (const auto& image : items(list)) {
    const std::string id = textAt(image, "id");
    const json::value& tags = at(image, "repoTags");
    const json::array names =
        tags.is_array() && !tags.get_array().empty() ? tags.get_array() : json::array{"<none>:<none>"};
    for (const auto& tag : names) {
      const std::string name(tag.as_string());
      const size_t colon = name.rfind(':');
      table.add({name.substr(0, colon), name.substr(colon + 1), id.substr(id.find(':') + 1, 13),
                 humanBytes(numberAt(image, "sizeBytes"))});
    }
  }
  print(table.str());
  return {};
}

Result<void> describePod(const Client& client, const Common& common, const std::string& name) {
  const json::value view = TRY(client.getJson(podTarget(common.pod_namespace, name)));
  if (printedWhole(common, view)) return {};
  const json::value& pod = at(view, "pod");
  const auto line = [](const char* label, const std::string& text) { fmt::print("{:<16}{}\n", label, text); };
  line("Name:", textAt(pod, "metadata.name"));
  line("Namespace:", textAt(pod, "metadata.namespace"));
  line("UID:", textAt(pod, "metadata.uid"));
  line("Source:", textAt(view, "source"));
  line("Node:", textAt(pod, "spec.nodeName") + "/" + textAt(pod, "status.hostIP"));
  line("Start Time:", textAt(pod, "status.startTime"));
  const json::value& labels = at(pod, "metadata.labels");
  std::string joined;
  if (labels.is_object()) {
    for (const auto& [key, value] : labels.get_object())
      joined += (joined.empty() ? "" : ",") + std::string(key) + "=" + std::string(value.as_string());
  }
  line("Labels:", orNone(joined));
  line("Status:", at(view, "terminating") == json::value(true) ? "Terminating" : textAt(pod, "status.phase"));
  if (const std::string text = textAt(pod, "status.reason"); !text.empty()) line("Reason:", text);
  if (const std::string text = textAt(pod, "status.message"); !text.empty()) line("Message:", text);
  line("IP:", textAt(pod, "status.podIP"));
  if (const std::string text = textAt(view, "currentWait"); !text.empty()) line("Waiting for:", text);
  printContainers(pod, "Init Containers", "spec.initContainers", "status.initContainerStatuses");
  printContainers(pod, "Containers", "spec.containers", "status.containerStatuses");
  print("Conditions:\n");
  Table conditions({"  Type", "Status", "Reason"});
  for (const auto& each :
       at(pod, "status.conditions").is_array() ? at(pod, "status.conditions").get_array() : json::array{})
    conditions.add({"  " + textAt(each, "type"), textAt(each, "status"), textAt(each, "reason")});
  print(conditions.str());
  line("QoS Class:", textAt(pod, "status.qosClass"));
  const json::value& events = at(view, "events");
  if (!events.is_array() || events.get_array().empty()) {
    line("Events:", "<none>");
    return {};
  }
  print("Events:\n");
  Table table({"  Type", "Reason", "Age", "Message"});
  for (const auto& event : events.get_array()) {
    std::string age = ageSince(at(event, "lastTimestamp"), now());
    if (numberAt(event, "count") > 1)
      age += fmt::format(" (x{} over {})", numberAt(event, "count"),
                         ageSince(at(event, "firstTimestamp"), now()));
    table.add({"  " + textAt(event, "type"), textAt(event, "reason"), age, textAt(event, "message")});
  }
  print(table.str());
  return {};
}

Result<void> showTimeline(const Client& client, const Common& common, const std::string& name) {
  const json::value view = TRY(client.getJson(podTarget(common.pod_namespace, name)));
  if (printedWhole(common, at(view, "timeline"))) return {};
  printTimeline(view);
  return {};
}

Result<void> top(const Client& client, const Common& common) {
  // The daemon takes both samples itself, so the interval is exact.
  const json::value list = TRY(client.getJson("/v1/top"));
  if (printedWhole(common, list)) return {};
  std::vector<std::string> header{"NAME", "CPU(cores)", "MEMORY(bytes)", "PIDS"};
  if (common.all_namespaces) header.insert(header.begin(), "NAMESPACE");
  Table table(header);
  for (const auto& entry : items(list)) {
    if (!common.all_namespaces && textAt(entry, "namespace") != common.pod_namespace) continue;
    std::vector<std::string> row{textAt(entry, "name"), fmt::format("{}m", numberAt(entry, "cpuMillicores")),
                                 humanBytes(numberAt(entry, "memoryBytes")),
                                 std::to_string(numberAt(entry, "pids"))};
    if (common.all_namespaces) row.insert(row.begin(), textAt(entry, "namespace"));
    table.add(std::move(row));
  }
  print(table.str());
  return {};
}

Result<std::string> chooseContainer(const Client& client, const std::string& pod_namespace,
                                    const std::string& pod) {
  const json::value view = TRY(client.getJson(podTarget(pod_namespace, pod)));
  const json::value& annotations = at(view, "pod.metadata.annotations");
  if (annotations.is_object()) {
    const auto* chosen = annotations.get_object().if_contains("kubectl.kubernetes.io/default-container");
    if (chosen && chosen->is_string()) return std::string(chosen->get_string());
  }
  const json::value& containers = at(view, "pod.spec.containers");
  const std::string first = textAt(view, "pod.spec.containers.0.name");
  if (containers.is_array() && containers.get_array().size() > 1) {
    std::string names;
    for (const auto& each : containers.get_array())
      names += (names.empty() ? "" : ", ") + textAt(each, "name");
    fmt::print(stderr, "Defaulted container \"{}\" out of: {}\n", first, names);
  }
  return first;
}

Result<void> logs(const Client& client, const Common& common, const LogArguments& arguments) {
  const std::string container = arguments.container.empty()
                                    ? TRY(chooseContainer(client, common.pod_namespace, arguments.pod))
                                    : arguments.container;
  Query query;
  if (arguments.follow) query.emplace_back("follow", "true");
  if (arguments.previous) query.emplace_back("previous", "true");
  if (arguments.timestamps) query.emplace_back("timestamps", "true");
  if (!arguments.tail.empty() && arguments.tail != "-1") query.emplace_back("tailLines", arguments.tail);
  if (!arguments.limit_bytes.empty()) query.emplace_back("limitBytes", arguments.limit_bytes);
  if (!arguments.since.empty()) {
    const Duration since = TRY_CTX(parseDuration(arguments.since), "--since");
    query.emplace_back("sinceSeconds",
                       std::to_string(std::chrono::duration_cast<std::chrono::seconds>(since).count()));
  }
  return client.stream(makeTarget({"containerLogs", common.pod_namespace, arguments.pod, container}, query),
                       [](std::string_view piece) { return writeAll(STDOUT_FILENO, piece).ok(); });
}

Result<void> importImage(const Client& client, const std::string& file, const std::string& name) {
  UniqueFd archive(file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!archive) return sysError("open {}", file);
  Query query;
  if (!name.empty()) query.emplace_back("name", name);
  const json::value list = TRY(client.upload(makeTarget({"v1", "images", "import"}, query), archive.get()));
  for (const auto& image : items(list)) {
    const std::string tag = textAt(image, "repoTags.0");
    fmt::print("imported {} ({})\n", tag.empty() ? textAt(image, "id") : tag, textAt(image, "id"));
  }
  return {};
}

Result<void> pullImage(const Client& client, const std::string& reference) {
  const json::value image =
      TRY(client.send("POST", makeTarget({"v1", "images", "pull"}, {{"reference", reference}})));
  fmt::print("pulled {} ({})\n", reference, textAt(image, "id"));
  return {};
}

Result<void> removeImages(const Client& client, const std::vector<std::string>& references) {
  for (const std::string& reference : references) {
    TRY(client.send("DELETE", makeTarget({"v1", "images"}, {{"reference", reference}})));
    fmt::print("removed {}\n", reference);
  }
  return {};
}

}  // namespace keelson::keelctl
