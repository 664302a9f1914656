#include "agent/services.h"

namespace keelson::agent {
namespace {

using kubelet::server::Call;
using kubelet::server::Reply;
using kubelet::server::Respond;
using kubelet::server::Route;
using kubelet::server::TcpServer;

Reply replyOf(proxy::HttpAnswer answer) {
  Reply reply;
  reply.status = answer.status;
  reply.type = std::move(answer.type);
  reply.body = std::move(answer.body);
  return reply;
}

Route get(const char* path, std::function<Reply()> answer) {
  return {"GET", path, [answer = std::move(answer)](Call, Respond respond) { respond(answer()); }, {}};
}

}  // namespace

struct ServiceServers::State {
  Loop& loop;
  Clock& clock;
  const ServiceServerSettings settings;
  const std::function<proxy::ProxyStats()> stats;
  bool node_eligible = true;
  proxy::HealthCounts counts;

  Reply healthz() {
    const auto answer = proxy::healthzAnswer(stats(), settings.families, node_eligible, clock.wall());
    ++counts.healthz[answer.status];
    return replyOf(answer);
  }
  Reply livez() {
    const auto answer = proxy::livezAnswer(stats(), settings.families, clock.wall());
    ++counts.livez[answer.status];
    return replyOf(answer);
  }
  Reply metrics() {
    auto reply = Reply::ofText(proxy::renderProxyMetrics(stats(), counts, settings.mode, settings.families));
    reply.type = "text/plain; version=0.0.4; charset=utf-8";
    return reply;
  }
  Reply serviceHealth(const std::string& service) {
    const auto now = stats();
    const auto found = now.health.find(service);
    const proxy::HealthPort health = found == now.health.end() ? proxy::HealthPort{} : found->second;
    return replyOf(proxy::serviceHealthAnswer(service, health, proxy::isHealthy(now, clock.wall())));
  }
};

ServiceServers::ServiceServers(Loop& loop, Clock& clock, ServiceServerSettings settings,
                               std::function<proxy::ProxyStats()> stats)
    : state_(new State{loop, clock, std::move(settings), std::move(stats), true, {}}) {}
ServiceServers::~ServiceServers() = default;

ErrorList ServiceServers::start() {
  ErrorList errors;
  const auto& settings = state_->settings;
  const auto listen = [&](const char* what, const IpAddress& address, std::optional<uint16_t> port,
                          std::vector<Route> routes, std::unique_ptr<TcpServer>& server) {
    if (!port) return;
    auto listening = TcpServer::listen(state_->loop, address, *port, std::move(routes));
    if (listening)
      server = std::move(listening).value();
    else
      errors.add(std::move(listening).error().withContext(what));
  };
  listen("proxy healthz", settings.healthz_address, settings.healthz_port,
         {get("/healthz", [state = state_] { return state->healthz(); }),
          get("/livez", [state = state_] { return state->livez(); })},
         healthz_);
  listen("proxy metrics", settings.metrics_address, settings.metrics_port,
         {get("/metrics", [state = state_] { return state->metrics(); }),
          get("/healthz", [state = state_] { return state->healthz(); }),
          get("/proxyMode", [mode = settings.mode] { return Reply::ofText(proxy::modeText(mode)); })},
         metrics_);
  return errors;
}

ErrorList ServiceServers::update(const proxy::ProxyStats& stats) {
  ErrorList errors;
  std::map<std::string, uint16_t> running;
  for (const auto& [service, open] : services_) running[service] = open.port;
  const auto change = proxy::planHealthPorts(running, stats.health);
  for (const auto& service : change.close) services_.erase(service);
  for (const auto& [service, port] : change.open) {
    const auto answer = [state = state_, name = service] { return state->serviceHealth(name); };
    auto server = TcpServer::listen(state_->loop, state_->settings.health_check_address, port,
                                    {get("/", answer), get("/{any}", answer)});
    if (server)
      services_[service] = {port, std::move(server).value()};
    else
      errors.add(std::move(server).error().withContext(
          fmt::format("service {}: healthCheckNodePort {}", service, port)));
  }
  return errors;
}

void ServiceServers::setNodeEligible(bool eligible) { state_->node_eligible = eligible; }
uint16_t ServiceServers::healthzPort() const { return healthz_ ? healthz_->port() : 0; }
uint16_t ServiceServers::metricsPort() const { return metrics_ ? metrics_->port() : 0; }

}  // namespace keelson::agent
