#include "agent/status_api.h"

#include <unistd.h>

#include <boost/asio.hpp>
#include <map>
#include <utility>

#include "agent/image_upload.h"
#include "api/codec.h"
#include "kubelet/server/remote_command.h"

namespace keelson::agent {
namespace {

using kubelet::server::Call;
using kubelet::server::Outcome;
using kubelet::server::Reply;
using kubelet::server::Respond;
using kubelet::server::Route;
using Handler = std::function<Result<json::value>(const StatusDependencies&, const Call&)>;

constexpr Duration kTopInterval = std::chrono::seconds(1);
constexpr Duration kPullTime = std::chrono::minutes(30);

json::value listOf(json::array items) {
  return {{"kind", "List"}, {"apiVersion", "v1"}, {"items", std::move(items)}};
}

json::array strings(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

// ---- views ----

json::value encodeView(const kubelet::PodView& view) {
  json::array timeline;
  for (const auto& entry : view.timeline) {
    timeline.push_back({{"at", formatTimeNano(entry.at)},
                        {"tookNanoseconds", entry.took.count()},
                        {"step", entry.step},
                        {"outcome", entry.outcome}});
  }
  json::array events;
  for (const auto& event : view.events) {
    events.push_back({{"type", event.type},
                      {"reason", event.reason},
                      {"message", event.message},
                      {"fieldPath", event.field_path},
                      {"count", event.count},
                      {"firstTimestamp", formatTime(event.first_seen)},
                      {"lastTimestamp", formatTime(event.last_seen)}});
  }
  return {{"pod", api::encode(*view.pod)},   {"source", view.source},
          {"terminating", view.terminating}, {"currentWait", view.current_wait},
          {"timeline", std::move(timeline)}, {"events", std::move(events)}};
}

Result<json::value> listPods(const StatusDependencies& dependencies, const Call&) {
  json::array items;
  for (const auto& view : dependencies.kubelet.pods()) items.push_back(api::encode(*view->pod));
  return json::value{{"kind", "PodList"}, {"apiVersion", "v1"}, {"items", std::move(items)}};
}

Result<json::value> onePod(const StatusDependencies& dependencies, const Call& call) {
  return encodeView(*TRY(dependencies.kubelet.pod(call.capture("namespace"), call.capture("pod"))));
}

Result<json::value> listManifests(const StatusDependencies& dependencies, const Call&) {
  json::array items;
  for (const auto& file : dependencies.kubelet.manifests()) {
    items.push_back({{"file", file.file},
                     {"objects", strings(file.objects)},
                     {"error", file.error},
                     {"readAt", formatTime(file.read_at)}});
  }
  return listOf(std::move(items));
}

Result<json::value> listNetwork(const StatusDependencies& dependencies, const Call&) {
  json::array items;
  for (const auto& entry : dependencies.network.list()) {
    json::array addresses;
    for (const auto& address : entry.addresses) addresses.emplace_back(address.str());
    items.push_back({{"pod", entry.full_name},
                     {"uid", entry.uid.str()},
                     {"addresses", std::move(addresses)},
                     {"link", entry.host_link}});
  }
  return listOf(std::move(items));
}

json::value encodeImage(const runtime::Image& image) {
  return {{"id", image.id},
          {"manifestDigest", image.manifest_digest},
          {"repoTags", strings(image.repo_tags)},
          {"repoDigests", strings(image.repo_digests)},
          {"sizeBytes", image.size.value},
          {"pulledAt", formatTime(image.pulled)}};
}

Result<json::value> listImages(const StatusDependencies& dependencies, const Call&) {
  json::array items;
  for (const auto& image : dependencies.images_service.list()) items.push_back(encodeImage(*image));
  return listOf(std::move(items));
}

Result<json::value> pullImage(const StatusDependencies& dependencies, const Call& call) {
  const std::string reference = call.queryValue("reference");
  if (reference.empty()) return makeError(Code::kInvalidArgument, "reference: expected an image name");
  Stop stop = dependencies.stop.within(kPullTime);
  return encodeImage(*TRY(dependencies.images_service.pull(
      reference, {}, [](const auto&) {}, stop)));
}

Result<json::value> removeImage(const StatusDependencies& dependencies, const Call& call) {
  const std::string reference = call.queryValue("reference");
  if (reference.empty()) return makeError(Code::kInvalidArgument, "reference: expected an image name");
  TRY(dependencies.images_service.remove(reference));
  return json::value{{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}};
}

json::value encodeHealth(const StatusDependencies& dependencies, WallTime started) {
  const Loop::Stats loop = dependencies.loop.stats();
  json::array strands;
  for (const auto& strand : strandStats()) {
    strands.push_back(
        {{"name", strand.name}, {"queued", strand.queued}, {"runningNanoseconds", strand.running.count()}});
  }
  return {{"version", KEELSON_VERSION},
          {"startedAt", formatTime(started)},
          {"loop",
           {{"callbacks", loop.callbacks},
            {"longestNanoseconds", loop.longest.count()},
            {"sinceTurnNanoseconds", Duration(dependencies.clock.steady() - loop.last_turn).count()}}},
          {"strands", std::move(strands)}};
}

// ---- top: two samples, one interval apart ----

struct Sample {
  SteadyTime at;
  std::map<std::string, std::pair<std::shared_ptr<const kubelet::PodView>, runtime::Runtime::Usage>>
      pods;  // by uid
};

Sample takeSample(const StatusDependencies& dependencies) {
  Sample sample{dependencies.clock.steady(), {}};
  for (const auto& view : dependencies.kubelet.pods()) {
    auto usage = dependencies.runtime.usage(PodUid(view->pod->metadata.uid));
    if (!usage) continue;  // not running now
    for (auto& each : *usage) {
      if (each.container.empty()) sample.pods[view->pod->metadata.uid] = {view, each};
    }
  }
  return sample;
}

json::value encodeTop(const Sample& before, const Sample& after) {
  const double seconds = std::chrono::duration<double>(after.at - before.at).count();
  json::array items;
  for (const auto& [uid, sample] : after.pods) {
    const auto earlier = before.pods.find(uid);
    const auto& usage = sample.second;
    const uint64_t base =
        earlier == before.pods.end() ? usage.cpu_nanoseconds : earlier->second.second.cpu_nanoseconds;
    const double cores =
        static_cast<double>(usage.cpu_nanoseconds - std::min(base, usage.cpu_nanoseconds)) / 1e9 / seconds;
    items.push_back({{"namespace", sample.first->pod->metadata.namespace_},
                     {"name", sample.first->pod->metadata.name},
                     {"cpuMillicores", static_cast<int64_t>(cores * 1000)},
                     {"memoryBytes", usage.memory_working_set.value},
                     {"pids", usage.pids}});
  }
  return listOf(std::move(items));
}

void handleTop(const StatusDependencies& dependencies, Respond respond) {
  dependencies.lane.post([dependencies, respond = std::move(respond)] {
    auto before = std::make_shared<Sample>(takeSample(dependencies));
    dependencies.loop.post([dependencies, respond, before] {
      auto timer = std::make_shared<Registration>();
      *timer = dependencies.loop.after(kTopInterval, [dependencies, respond, before, timer] {
        dependencies.lane.post([dependencies, respond, before] {
          auto answer = encodeTop(*before, takeSample(dependencies));
          dependencies.loop.post([respond, answer = std::move(answer)] { respond(Reply::ofJson(answer)); });
        });
        dependencies.loop.post([timer] { timer->reset(); });
      });
    });
  });
}

// ---- logs ----

struct OpenLog {
  kubelet::server::LogCursor cursor;
  std::string directory;
  bool follow = false;
  std::function<bool()> running;
};

// Looks for files and the tail's start: disk, so a lane's work.
Result<OpenLog> openLog(const StatusDependencies& dependencies, const Call& call) {
  using kubelet::Kubelet;
  auto options = TRY(kubelet::server::parseLogOptions(call, dependencies.clock.wall()));
  const auto which = call.queryFlag("previous") ? Kubelet::Which::kPrevious : Kubelet::Which::kCurrent;
  auto found = dependencies.kubelet.instance(call.capture("namespace"), call.capture("pod"),
                                             call.capture("container"), which);
  // Only what does not exist is "not found" to the API server, whose clients would not see the sentence.
  if (!found && found.error().code == Code::kNotFound &&
      found.error().text.starts_with("previous terminated"))
    return makeError(Code::kInvalidArgument, "{}", found.error().text);
  const auto instance = TRY(std::move(found));
  auto cursor = TRY(kubelet::server::LogCursor::open(instance.log_directory, instance.attempt, options));
  const auto running = [&kubelet = dependencies.kubelet, which, id = instance.id,
                        pod_namespace = call.capture("namespace"), pod = call.capture("pod"),
                        container = call.capture("container")] {
    const auto now = kubelet.instance(pod_namespace, pod, container, which);
    return now && now->id == id && now->running;
  };
  return OpenLog{std::move(cursor), instance.log_directory, options.follow, running};
}

}  // namespace

void handleLogs(const StatusDependencies& dependencies, Call call, Respond respond) {
  dependencies.lane.post([dependencies, call = std::move(call), respond = std::move(respond)] {
    auto opened = std::make_shared<Result<OpenLog>>(openLog(dependencies, call));
    dependencies.loop.post([dependencies, opened, respond] {
      if (!opened->ok()) return respond(Reply::ofError(opened->error()));
      OpenLog& log = opened->value();
      respond(kubelet::server::makeLogSource(dependencies.loop, dependencies.lane, dependencies.log_watcher,
                                             std::move(log.cursor), log.directory, log.follow, log.running));
    });
  });
}

namespace {

// ---- the table ----

// A handler that runs on a lane and answers with JSON.
Route onLane(const StatusDependencies& dependencies, Lane& lane, std::string method, std::string pattern,
             Handler handler) {
  const auto run = [dependencies, &lane, handler = std::move(handler)](Call call, Respond respond) {
    lane.post([dependencies, handler, call = std::move(call), respond = std::move(respond)] {
      const auto result = handler(dependencies, call);
      auto reply = std::make_shared<Reply>(result ? Reply::ofJson(*result) : Reply::ofError(result.error()));
      dependencies.loop.post([respond, reply] { respond(std::move(*reply)); });
    });
  };
  return {std::move(method), std::move(pattern), run, nullptr};
}

}  // namespace

std::vector<Route> statusRoutes(const StatusDependencies& dependencies) {
  const WallTime started = dependencies.clock.wall();
  std::vector<Route> routes;
  const auto get = [&](const char* pattern, Handler handler) {
    routes.push_back(onLane(dependencies, dependencies.lane, "GET", pattern, std::move(handler)));
  };
  get("/v1/pods", listPods);
  get("/v1/pods/{namespace}/{pod}", onePod);
  get("/v1/manifests", listManifests);
  get("/v1/network", listNetwork);
  get("/v1/images", listImages);
  get("/v1/health",
      [started](const StatusDependencies& with, const Call&) { return encodeHealth(with, started); });
  routes.push_back({"GET", "/healthz", [](Call, Respond respond) { respond(Reply::ofText("ok")); }, nullptr});
  routes.push_back({"GET", "/v1/top",
                    [dependencies](Call, Respond respond) { handleTop(dependencies, std::move(respond)); },
                    nullptr});
  routes.push_back(onLane(dependencies, dependencies.images, "POST", "/v1/images/pull", pullImage));
  routes.push_back(onLane(dependencies, dependencies.images, "DELETE", "/v1/images", removeImage));
  routes.push_back({"POST", "/v1/images/import", nullptr, [dependencies](const Call& call) {
                      return makeImageUpload(dependencies.loop, dependencies.images,
                                             dependencies.images_service, dependencies.stop,
                                             call.queryValue("name"));
                    }});
  routes.push_back({"GET", "/containerLogs/{namespace}/{pod}/{container}",
                    [dependencies](Call call, Respond respond) {
                      handleLogs(dependencies, std::move(call), std::move(respond));
                    },
                    nullptr});
  routes.push_back({"GET", "/exec/{namespace}/{pod}/{container}",
                    [dependencies](Call call, Respond respond) {
                      kubelet::server::handleExec(dependencies.loop, dependencies.lane, dependencies.kubelet,
                                                  dependencies.runtime, std::move(call), std::move(respond));
                    },
                    nullptr});
  return routes;
}

}  // namespace keelson::agent
