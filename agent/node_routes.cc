#include "agent/node_routes.h"

#include "api/codec.h"
#include "kubelet/server/port_forward.h"
#include "kubelet/server/remote_command.h"

namespace keelson::agent {
namespace {

using kubelet::server::Call;
using kubelet::server::Outcome;
using kubelet::server::Reply;
using kubelet::server::Respond;
using kubelet::server::Route;
using Handle = std::function<void(Call, Respond)>;
using Produce = std::function<Result<Reply>(const Call&)>;

constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

Reply plain(int status, std::string text) {
  Reply reply = Reply::ofText(std::move(text));
  reply.status = status;
  return reply;
}

Reply plainError(Reply reply) {
  if (reply.message.empty()) return reply;
  return plain(reply.status, std::move(reply.message));
}

Handle withPlainErrors(Handle inner) {
  return [inner = std::move(inner)](Call call, Respond respond) {
    inner(std::move(call), [respond = std::move(respond)](Outcome outcome) {
      if (auto* reply = std::get_if<Reply>(&outcome)) return respond(plainError(std::move(*reply)));
      respond(std::move(outcome));
    });
  };
}

Handle onLane(const StatusDependencies& with, Produce produce) {
  return [&loop = with.loop, &lane = with.lane, produce = std::move(produce)](Call call, Respond respond) {
    lane.post([&loop, produce, call = std::move(call), respond = std::move(respond)] {
      auto result = produce(call);
      auto reply =
          std::make_shared<Reply>(result ? std::move(result).value() : Reply::ofError(result.error()));
      loop.post([respond, reply] { respond(std::move(*reply)); });
    });
  };
}

Handle always(int status, const char* text) {
  return [status, text](Call, Respond respond) { respond(plain(status, text)); };
}

// Pods known to the node; with `running` only those of which a container runs.
Reply listPods(const kubelet::Kubelet& kubelet, bool running) {
  json::array items;
  for (const auto& view : kubelet.pods()) {
    const auto& statuses = view->pod->status.container_statuses;
    const bool runs = std::any_of(statuses.begin(), statuses.end(),
                                  [](const auto& status) { return status.state.running.has_value(); });
    if (!running || runs) items.push_back(api::encode(*view->pod));
  }
  return Reply::ofJson(
      {{"kind", "PodList"}, {"apiVersion", "v1"}, {"metadata", json::object{}}, {"items", std::move(items)}});
}

Result<Reply> refuseCheckpoint(const kubelet::Kubelet& kubelet, const Call& call) {
  TRY(kubelet.pod(call.capture("namespace"), call.capture("pod")));
  return plain(501,
               fmt::format("checkpointing of {}/{}/{} failed (checkpoints of containers are not supported "
                           "by keelson)\n",
                           call.capture("namespace"), call.capture("pod"), call.capture("container")));
}

// The table as it grows.
class Table {
 public:
  void add(const char* method, std::string pattern, Handle handle) {
    routes_.push_back({method, std::move(pattern), withPlainErrors(std::move(handle)), nullptr});
  }
  // With and without the slash at the end, which go-restful does not tell apart.
  void addBoth(const char* method, const std::string& pattern, const Handle& handle) {
    add(method, pattern, handle);
    add(method, pattern + "/", handle);
  }
  void addStream(const std::string& pattern, const Handle& handle) {
    add("GET", pattern, handle);
    add("POST", pattern, handle);
  }
  void addAll(std::vector<Route> routes) {
    for (auto& route : routes) routes_.push_back(std::move(route));
  }
  std::vector<Route> take() { return std::move(routes_); }

 private:
  std::vector<Route> routes_;
};

void addFigures(Table& table, const StatusDependencies& with, NodeFigures& figures) {
  const auto text = [](std::string body) { return Reply{200, kMetricsText, std::move(body), ""}; };
  table.addBoth("GET", "/stats/summary", onLane(with, [&figures](const Call& call) -> Result<Reply> {
                  return Reply::ofJson(TRY(figures.summary(call.queryFlag("only_cpu_and_memory"))));
                }));
  table.add("GET", "/metrics", onLane(with, [&figures, text](const Call&) -> Result<Reply> {
              return text(figures.kubeletMetrics());
            }));
  table.add("GET", "/metrics/resource", onLane(with, [&figures, text](const Call&) -> Result<Reply> {
              return text(figures.resourceMetrics());
            }));
}

constexpr const char* kDebugPaths[] = {"/run/{namespace}/{pod}/{container}",
                                       "/run/{namespace}/{pod}/{uid}/{container}",
                                       "/exec/{namespace}/{pod}/{container}",
                                       "/exec/{namespace}/{pod}/{uid}/{container}",
                                       "/attach/{namespace}/{pod}/{container}",
                                       "/attach/{namespace}/{pod}/{uid}/{container}",
                                       "/portForward/{namespace}/{pod}",
                                       "/portForward/{namespace}/{pod}/{uid}",
                                       "/containerLogs/{namespace}/{pod}/{container}",
                                       "/runningpods",
                                       "/runningpods/",
                                       "/configz",
                                       "/checkpoint/{namespace}/{pod}/{container}"};

void addDebugging(Table& table, const StatusDependencies& with, json::value configuration) {
  for (const char* middle : {"", "/{uid}"}) {
    const std::string names = std::string("/{namespace}/{pod}") + middle;
    table.add("POST", "/run" + names + "/{container}", [with](Call call, Respond respond) {
      kubelet::server::handleRun(with.loop, with.lane, with.kubelet, with.runtime, std::move(call),
                                 std::move(respond));
    });
    table.addStream("/exec" + names + "/{container}", [with](Call call, Respond respond) {
      kubelet::server::handleExec(with.loop, with.lane, with.kubelet, with.runtime, std::move(call),
                                  std::move(respond));
    });
    table.addStream("/attach" + names + "/{container}",
                    always(501, "attach is not supported by keelson; exec and logs are\n"));
    table.addStream("/portForward" + names, [with](Call call, Respond respond) {
      kubelet::server::handlePortForward(with.loop, with.lane, with.kubelet, with.runtime, std::move(call),
                                         std::move(respond));
    });
  }
  table.add("GET", "/containerLogs/{namespace}/{pod}/{container}",
            [with](Call call, Respond respond) { handleLogs(with, std::move(call), std::move(respond)); });
  table.addBoth("GET", "/runningpods", onLane(with, [&kubelet = with.kubelet](const Call&) -> Result<Reply> {
                  return listPods(kubelet, true);
                }));
  configuration.as_object()["kind"] = "KubeletConfiguration";
  configuration.as_object()["apiVersion"] = "kubelet.config.k8s.io/v1beta1";
  const json::value shown{{"kubeletconfig", std::move(configuration)}};
  table.add("GET", "/configz", [shown](Call, Respond respond) { respond(Reply::ofJson(shown)); });
  table.add(
      "POST", "/checkpoint/{namespace}/{pod}/{container}",
      onLane(with, [&kubelet = with.kubelet](const Call& call) { return refuseCheckpoint(kubelet, call); }));
}

}  // namespace

std::vector<Route> nodeRoutes(const StatusDependencies& with, const Health& health, NodeFigures& figures,
                              NodeRouteSettings settings) {
  Table table;
  for (auto& route : health.routes())
    if (route.pattern.starts_with("/healthz")) table.addAll({std::move(route)});
  table.addBoth("GET", "/pods", onLane(with, [&kubelet = with.kubelet](const Call&) -> Result<Reply> {
                  return listPods(kubelet, false);
                }));
  addFigures(table, with, figures);
  if (settings.debugging_handlers) {
    addDebugging(table, with, std::move(settings.configuration));
  } else {
    for (const char* path : kDebugPaths)
      for (const char* method : {"GET", "POST"})
        table.add(method, path, always(405, "Debug endpoints are disabled.\n"));
  }
  table.addBoth("GET", "/logs", always(405, "logs endpoint is disabled.\n"));
  return table.take();
}

}  // namespace keelson::agent
