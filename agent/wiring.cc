#include "agent/wiring.h"

#include <fcntl.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "agent/cluster.h"
#include "agent/health.h"
#include "agent/late_tokens.h"
#include "agent/local_services.h"
#include "agent/node_figures.h"
#include "agent/node_info.h"
#include "agent/node_server.h"
#include "agent/options.h"
#include "agent/status_api.h"
#include "agent/upkeep.h"
#include "base/fs.h"
#include "base/http.h"
#include "base/log.h"
#include "cni/bridge_network.h"
#include "kernel/cgroup.h"
#include "kubelet/certificates/client_bootstrap.h"
#include "kubelet/kubelet.h"
#include "kubelet/node/machine_facts.h"
#include "kubelet/node/node_address.h"
#include "kubelet/node/node_capacity.h"
#include "kubelet/node/start_checks.h"
#include "kubelet/server/container_logs.h"
#include "kubelet/server/tcp_server.h"
#include "kubelet/server/unix_server.h"
#include "proxy/proxy.h"
#include "runtime/host_path.h"
#include "runtime/images/native_image_service.h"
#include "runtime/native_runtime.h"
#include "runtime/shim_image.h"

namespace keelson::agent {
namespace {

namespace node = kubelet::node;

constexpr Duration kStartTime = std::chrono::seconds(60);
constexpr Duration kRepairTime = std::chrono::seconds(10);
// Foreign changes are told by the kernel; this is for those it could not tell (a full socket buffer).
constexpr Duration kRepairPeriod = std::chrono::minutes(1);
constexpr Duration kSlowCallback = std::chrono::milliseconds(10);
constexpr Duration kLookUpTime = std::chrono::milliseconds(500);
constexpr size_t kMaxStateBytes = 4096;
// Services of a node that runs alone get their addresses from here: kubeadm's own default.
constexpr char kServiceRange[] = "10.96.0.0/16";

// One daemon a run folder: held until the process ends, however it ends. A POSIX lock (fcntl(2)), which no
// child inherits: one that was just being started when the daemon was killed must not keep the next daemon
// out.
Result<UniqueFd> lockRunDir(const std::string& run_dir) {
  const DirFd directory = TRY_CTX(DirFd::ensure(run_dir, 0700), "run folder");
  UniqueFd lock = TRY(directory.openBeneath("keelson.lock", O_RDWR | O_CREAT, 0600));
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(lock.get(), F_SETLK, &whole) != 0) {
    if (errno != EACCES && errno != EAGAIN) return sysError("lock {}/keelson.lock", run_dir);
    return makeError(Code::kAlreadyExists, "another keelson runs with run folder {}", run_dir);
  }
  return lock;
}

// The ranges that the control plane gave this node in an earlier life: pods of this life need not wait for
// it.
std::string podCidrFile(const Config& config) { return config.keelson.state_dir + "/pod-cidr"; }

Result<std::vector<IpPrefix>> knownPodCidrs(const Config& config, const Flags& flags) {
  if (flags.isStandalone()) return parsePrefixes(config.kubelet.pod_cidr);
  auto text = readFile(podCidrFile(config), kMaxStateBytes);
  if (!text) return std::vector<IpPrefix>{};
  text->erase(text->find_last_not_of('\n') + 1);
  auto prefixes = parsePrefixes(*text);
  if (prefixes) return prefixes;
  LOG_WARN("{}: {}; the control plane will tell it again", podCidrFile(config), prefixes.error().text);
  return std::vector<IpPrefix>{};
}

// A name server that does not answer holds up the start for a moment only: the address of the default route's
// link is taken then. A machine without a network is a node all the same.
std::vector<IpAddress> nodeAddresses(const node::NodeSettings& settings) {
  const auto local = node::readLocalAddresses();
  auto chosen = local ? node::chooseNodeAddresses(
                            settings.node_ips, settings.name, *local,
                            [](const std::string& name) { return node::lookUpHostWithin(name, kLookUpTime); })
                      : Result<std::vector<IpAddress>>(local.error());
  if (chosen) return std::move(chosen).value();
  LOG_WARN("node address: {}", chosen.error().text);
  return {};
}

// Whether a joined node may start here. The sysctls are the package's (sysctl.d), not ours to change at run
// time.
Result<void> checkStart(const KubeletConfiguration& kubelet) {
  const auto facts = TRY(node::readStartFacts(false));
  const auto plan = node::planStart({kubelet.fail_swap_on, false, kubelet.protect_kernel_defaults}, facts);
  if (plan.problems.empty()) return {};
  return makeError(Code::kFailedPrecondition, "{}", fmt::join(plan.problems, "; "));
}

void logAll(const char* what, const ErrorList& errors) {
  for (const Error& error : errors.errors()) LOG_WARN("{}: {}", what, error.text);
}

}  // namespace

// In the order of construction: what stands lower uses what stands above it.
struct Agent::Parts {
  explicit Parts(Loop& on) : loop(on) {}

  Loop& loop;
  UniqueFd lock;
  std::string socket_path, pod_cidr_file, proxy_mode_file, proxy_mode;
  std::optional<std::pair<IpAddress, uint16_t>> healthz_at;  // none: off
  Health health{loop, realClock()};
  std::unique_ptr<kubelet::server::TcpServer> healthz;
  Lane pods{"pods", 4};
  Lane images{"images", 3};
  Lane volumes{"volumes", 2};
  Lane status{"status", 2};
  Lane network_lane{"network", 1};  // one that waits for the kernel's rtnl lock holds up nothing else
  Lane proxy_lane{"proxy", 1};
  Lane upkeep_lane{"upkeep", 1};  // measures disks
  Lane api{"api", 2};             // credentials, names, decoding of lists
  std::unique_ptr<HttpClient> http = makeHttpClient();
  std::unique_ptr<runtime::NativeImageService> image_service;
  std::unique_ptr<runtime::NativeRuntime> runtime;
  std::unique_ptr<runtime::HostPaths> host_paths;
  std::unique_ptr<cni::BridgeNetwork> network;
  std::unique_ptr<kubelet::Kubelet> kubelet;
  std::unique_ptr<proxy::Proxy> proxy;
  std::shared_ptr<proxy::DataPlane> other_plane;  // its leftovers go at the start
  std::unique_ptr<ServiceServers> service_servers;
  std::unique_ptr<LocalServices> local_services;  // of a node that runs alone
  std::unique_ptr<Upkeep> upkeep;
  std::shared_ptr<LateTokens> tokens = std::make_shared<LateTokens>();
  std::optional<kubelet::certificates::BootstrapOptions> joining;  // none: this node runs alone
  ClusterSettings cluster_settings;                                // but for the connection
  std::unique_ptr<kubelet::certificates::ClientBootstrap> bootstrap;
  std::optional<NodeServerSettings> node_server_settings;  // none: it does not run
  kubelet::stats::SourcePaths stats_paths;
  std::unique_ptr<NodeFigures> figures;
  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<kubelet::server::LogWatcher> log_watcher;
  std::unique_ptr<kubelet::server::UnixServer> server;
  std::unique_ptr<NodeServer> node_server;
  Strand repairs{network_lane, "network-repair"};
  Registration network_watch;
  Registration repair_timer;
  Stop stopping;  // cancelled by stop(): pulls and imports asked for over the status socket end then

  ~Parts() {
    stopping.cancel();
    joinLanes();
  }
  void joinLanes() {
    for (Lane* lane : {&api, &upkeep_lane, &proxy_lane, &status, &images, &volumes, &network_lane, &pods})
      lane->join();
  }

  void repairNetwork() {
    repairs.post([this] {
      Stop stop(kRepairTime);
      if (auto result = network->ensureNode(stop); !result) LOG_ERROR("pod network: {}", result.error().text);
      auto damaged = network->damaged();
      if (!damaged) return LOG_ERROR("pod network: {}", damaged.error().text);
      if (!damaged->empty())
        loop.post([this, uids = std::move(damaged).value()] { kubelet->reattach(uids); });
    });
  }

  void watchNetwork() {
    network_watch = loop.onReadable(network->watchDescriptor(), [this] {
      if (network->drainChanges()) repairNetwork();
    });
    repair_timer = loop.every(kRepairPeriod, [this] { repairNetwork(); });
  }

  void startProxy() {
    // The rules of another mode go when the mode was changed; looking for them at each start would run
    // iptables each time.
    proxy_lane.post([plane = std::move(other_plane), file = proxy_mode_file, mode = proxy_mode] {
      const auto before = readFile(file, kMaxStateBytes);
      if (before && *before == mode) return;
      Stop stop(kRepairTime);
      const auto removed = before ? plane->remove(stop) : Result<void>{};
      const auto saved = removed ? writeFileAtomic(file, mode, 0644) : removed;
      if (!saved) LOG_WARN("rules of the proxy mode before: {}", saved.error().text);
    });
    if (const auto started = proxy->start(); !started) LOG_ERROR("services: {}", started.error().text);
    if (service_servers) logAll("services", service_servers->start());
    proxy->onSynced([this, last = std::string()](const proxy::ProxyStats& stats) mutable {
      if (stats.last_error != last && !stats.last_error.empty()) LOG_ERROR("services: {}", stats.last_error);
      last = stats.last_error;
      if (service_servers) logAll("services", service_servers->update(stats));
    });
  }

  // ---- joined to a control plane ----

  void join() {
    const auto make_client = [this](const api::client::Connection& connection) {
      auto settings = cluster_settings.client;
      settings.connection = connection;
      return api::client::makeHttpApiClient(loop, api, settings);
    };
    bootstrap = std::make_unique<kubelet::certificates::ClientBootstrap>(loop, api, realClock(), make_client,
                                                                         *joining);
    bootstrap->start([this](const api::client::Connection& connection) {
      // Not from inside of what it destroys.
      loop.post([this, connection] { connect(connection); });
    });
  }

  void connect(const api::client::Connection& connection) {
    if (stopping.cancelled()) return;
    bootstrap.reset();
    ClusterSettings settings = cluster_settings;
    settings.client.connection = connection;
    const std::string rotated = kubelet::certificates::clientRenewal(joining->cert_dir).store.currentPath();
    if (joining->rotate && connection.certificate_file == rotated) settings.cert_dir = joining->cert_dir;
    ClusterDependencies dependencies{loop,   api,           realClock(), *kubelet, proxy.get(),
                                     tokens, nodeSources(), {},          {},       {}};
    dependencies.on_eligible = [this](bool eligible) {
      if (service_servers) service_servers->setNodeEligible(eligible);
    };
    dependencies.on_pod_cidrs = [this](const std::vector<std::string>& cidrs) { setPodCidrs(cidrs); };
    dependencies.on_expired = [this] {
      LOG_ERROR("the client certificate has expired: this node joins anew");
      loop.post([this] {
        if (stopping.cancelled()) return;
        leave();
        join();
      });
    };
    auto made = Cluster::create(std::move(dependencies), std::move(settings));
    if (!made) {
      LOG_ERROR("{}; tried again in 10 s", made.error().text);
      rejoin = loop.after(std::chrono::seconds(10), [this] { join(); });
      return;
    }
    cluster = std::move(made).value();
    LOG_INFO("joins the cluster at {}", connection.server);
    if (node_server) node_server->setClient(&cluster->client());
    cluster->start();
  }

  void leave() {
    if (node_server) node_server->setClient(nullptr);
    cluster.reset();
  }

  // A node that cannot listen still runs pods; its Node then names no port.
  void serveNode(const StatusDependencies& with) {
    figures = std::make_unique<NodeFigures>(realClock(), *kubelet, *network, upkeep->observer(), stats_paths,
                                            cluster_settings.pods.node_name);
    auto made = NodeServer::create(*node_server_settings, with, api, health, *figures);
    if (!made) return LOG_ERROR("server: {}", made.error().text);
    node_server = std::move(made).value();
    node_server->start();
    auto& settings = cluster_settings.node.settings;
    settings.server_port = node_server->port();
    // exec and port-forward come as WebSockets, untranslated, from API servers that know this.
    settings.declared_features.push_back("ExtendWebSocketsToKubelet");
  }

  node::NodeSources nodeSources() {
    node::NodeSources sources;
    sources.readiness = [this] {
      node::Readiness readiness;
      if (const auto ready = network->ready(); !ready)
        readiness.problems.push_back(
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:" +
            ready.error().text);
      if (upkeep->isShuttingDown()) readiness.problems.push_back(node::kShutdownProblem);
      return readiness;
    };
    sources.pressure = [this] { return upkeep->pressure(); };
    sources.images = [this] { return image_service->list(); };
    return sources;
  }

  void setPodCidrs(const std::vector<std::string>& cidrs) {
    const std::string text = fmt::format("{}", fmt::join(cidrs, ","));
    const auto prefixes = parsePrefixes(text);
    const auto set = prefixes ? network->setPodCidrs(*prefixes) : Result<void>(prefixes.error());
    if (!set) return LOG_ERROR("podCIDRs {} of the Node: {}", text, set.error().text);
    LOG_INFO("pods get addresses of {}", text);
    repairs.post([file = pod_cidr_file, text] {
      if (const auto saved = writeFileAtomic(file, text + "\n", 0644); !saved)
        LOG_WARN("{}: {}", file, saved.error().text);
    });
    repairNetwork();
    if (cluster) cluster->poke();
  }

  Registration rejoin;
};

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::create(Loop& loop, const Config& config, const Flags& flags) {
  auto parts = std::make_unique<Parts>(loop);
  loop.onSlowCallback(kSlowCallback, [](Duration took, const std::string& name) {
    LOG_WARN("{} held the loop for {}", name, formatDuration(took));
  });
  parts->lock = TRY(lockRunDir(config.keelson.run_dir));
  parts->socket_path = config.keelson.socket;
  if (config.kubelet.healthz_port != 0)
    parts->healthz_at.emplace(TRY(IpAddress::parse(config.kubelet.healthz_bind_address)),
                              static_cast<uint16_t>(config.kubelet.healthz_port));
  TRY_CTX(DirFd::ensure(config.keelson.state_dir, 0700), "state folder");
  TRY_CTX(DirFd::ensure(flags.root_dir, 0750), "root folder");
  if (config.kubelet.cgroup_driver == "systemd")
    LOG_WARN("cgroupDriver systemd is not served yet: pods get the names of cgroupfs, in /kubepods");
  if (!flags.isStandalone()) TRY(checkStart(config.kubelet));

  const NodeInfo machine = TRY(readNodeInfo());
  const Setting setting{config, flags, machine};
  node::NodeInput input;
  input.settings = TRY(nodeSettings(setting));
  input.facts = TRY(node::readMachineFacts(flags.root_dir));
  input.addresses = nodeAddresses(input.settings);
  kubelet::Options options = TRY(kubeletOptions(setting, input.addresses));
  auto hierarchies = TRY(kernel::CgroupHierarchies::ofThisHost());
  options.cgroups = cgroupOptions(config.kubelet, hierarchies.mode);
  const auto& enforced = config.kubelet.enforce_node_allocatable;
  if (std::find(enforced.begin(), enforced.end(), "pods") != enforced.end())
    options.limit_pods =
        [limits = node::kubepodsLimits(input, node::Enforce::kPods)](runtime::CgroupRequest request) {
          return node::withLimits(std::move(request), limits);
        };
  const auto shim = TRY(runtime::sealShim(config.keelson.shim));

  runtime::NativeImageOptions image_options;
  image_options.root = config.keelson.state_dir + "/images";
  image_options.registries = registryOptions(config.keelson);
  image_options.lane = &parts->volumes;
  parts->image_service =
      TRY(runtime::NativeImageService::open(std::move(image_options), *parts->http, realClock()));
  UpkeepSettings upkeep{
      TRY(evictionOptions(setting, options.cgroups)), {}, TRY(shutdownPeriodsOf(config.kubelet))};
  upkeep.observer = {hierarchies, runtime::qosCgroups(options.cgroups, {}, options.node_cpu).front().path,
                     flags.root_dir, config.keelson.state_dir + "/images",
                     config.keelson.state_dir + "/containers"};
  const kubelet::stats::SourcePaths stats_paths = upkeep.eviction.policy.paths;
  runtime::NativeRuntimeOptions runtime_options;
  runtime_options.run_dir = config.keelson.run_dir;
  runtime_options.state_dir = config.keelson.state_dir;
  runtime_options.cgroups = options.cgroups;
  runtime_options.hierarchies = std::move(hierarchies);
  runtime_options.shim = shim;
  parts->runtime = TRY(runtime::NativeRuntime::open(std::move(runtime_options), loop, *parts->image_service));
  parts->host_paths = runtime::makeHostPaths(loop, shim);
  const auto bridge = TRY(bridgeOptions(config, TRY(knownPodCidrs(config, flags))));
  parts->pod_cidr_file = podCidrFile(config);
  parts->proxy_mode_file = config.keelson.state_dir + "/proxy-mode";
  parts->proxy_mode = config.kube_proxy.usesIptables() ? "iptables" : "nftables";
  parts->network = TRY(cni::BridgeNetwork::open(bridge));
  const kubelet::Dependencies dependencies{
      loop,           parts->pods,     parts->images,         parts->volumes,
      realClock(),    *parts->runtime, *parts->image_service, *parts->host_paths,
      *parts->network};
  parts->kubelet = kubelet::makeKubelet(options, dependencies);
  if (config.keelson.serve_services) {
    auto planes = makeDataPlanes(config.kube_proxy, bridge);
    parts->other_plane = std::move(planes.unused);
    parts->proxy = std::make_unique<proxy::Proxy>(loop, parts->proxy_lane, realClock(),
                                                  proxySettings(config.kube_proxy), std::move(planes.used));
    if (!flags.isStandalone())
      parts->service_servers =
          std::make_unique<ServiceServers>(loop, realClock(), TRY(serviceServerSettings(config.kube_proxy)),
                                           [proxy = parts->proxy.get()] { return proxy->stats(); });
  }
  Parts* const self = parts.get();
  parts->upkeep = std::make_unique<Upkeep>(
      UpkeepDependencies{loop, parts->upkeep_lane, realClock(), *parts->kubelet, *parts->image_service,
                         [self] {
                           if (self->cluster) self->cluster->poke();
                         },
                         [self](const node::NodeEvent& event) {
                           if (self->cluster) return self->cluster->recordNodeEvent(event);
                           LOG_WARN("{}: {}", event.reason, event.message);
                         }},
      std::move(upkeep));
  if (flags.isStandalone()) {
    if (parts->proxy)
      parts->local_services = std::make_unique<LocalServices>(
          loop, *parts->kubelet, *parts->proxy, options.node_name, IpPrefix::parse(kServiceRange).value());
  } else {
    parts->joining = bootstrapOptions(setting);
    auto& cluster = parts->cluster_settings;
    cluster.client = clientSettings(config.kubelet, {});
    cluster.follow = followSettings(config.keelson);
    cluster.pods.node_name = options.node_name;
    cluster.pods.events.queries_per_second = config.kubelet.event_record_qps;
    cluster.pods.events.burst = config.kubelet.event_burst;
    if (config.kubelet.enable_server)
      parts->node_server_settings =
          TRY(nodeServerSettings(config, options.node_name, parts->joining->cert_dir, input.addresses));
    parts->stats_paths = stats_paths;
    cluster.node = std::move(input);
    cluster.reporter = reporterSettings(config.kubelet);
    cluster.lease = leaseSettings(setting);
  }
  parts->log_watcher = TRY(kubelet::server::LogWatcher::create(loop));
  LOG_INFO("keelson {} on node {}: {} cores, {} MiB, manifests in {}", KEELSON_VERSION, options.node_name,
           options.node_cpu.value / 1000, options.node_memory.value >> 20,
           options.static_pod_path.empty() ? "no folder" : options.static_pod_path);
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

Result<void> Agent::start() {
  Parts& parts = *parts_;
  logAll("images of an earlier life", parts.image_service->cleanUp());
  Stop stop(kStartTime);
  if (auto error = parts.network->takeRecordsError()) LOG_WARN("{}", error->text);
  // A node without its bridge still runs pods of the host's network; the others wait, and it is tried again.
  if (auto network = parts.network->ensureNode(stop); !network)
    LOG_ERROR("pod network: {}", network.error().text);
  parts.watchNetwork();
  const StatusDependencies dependencies{
      parts.loop,     parts.status,         parts.images,   realClock(),        *parts.kubelet,
      *parts.runtime, *parts.image_service, *parts.network, *parts.log_watcher, parts.stopping};
  // First the socket, whose path may be unusable: nothing has been done to pods by then.
  parts.server =
      TRY(kubelet::server::UnixServer::listen(parts.loop, parts.socket_path, statusRoutes(dependencies)));
  // A node without its health endpoint still runs pods: a second daemon for tests, a kubelet beside it.
  if (parts.healthz_at) {
    auto server = kubelet::server::TcpServer::listen(parts.loop, parts.healthz_at->first,
                                                     parts.healthz_at->second, parts.health.routes());
    if (server)
      parts.healthz = std::move(server).value();
    else
      LOG_ERROR("healthz: {}", server.error().text);
  }
  if (parts.node_server_settings) parts.serveNode(dependencies);
  if (parts.joining) {
    // Nothing of the API server is known yet, which is not the same as there being none.
    auto unknown = std::make_shared<kubelet::ObjectStore>();
    unknown->cluster = std::make_shared<const kubelet::ClusterObjects>();
    parts.kubelet->setObjects(std::move(unknown), {});
    parts.kubelet->setTokens(parts.tokens);
  }
  parts.upkeep->start();
  if (parts.proxy) parts.startProxy();
  TRY(parts.kubelet->start());
  // By now every container found here holds the lease on its layers again.
  parts.image_service->dropInheritedLeases();
  if (parts.local_services) parts.local_services->start();
  if (parts.joining) parts.join();
  return {};
}

Result<void> Agent::health() const { return parts_->health.check(); }

void Agent::stop() {
  Parts& parts = *parts_;
  parts.stopping.cancel();
  parts.rejoin.reset();
  parts.bootstrap.reset();
  parts.leave();
  parts.node_server.reset();
  parts.server.reset();
  parts.healthz.reset();
  parts.network_watch.reset();
  parts.repair_timer.reset();
  parts.upkeep->stop();
  parts.service_servers.reset();
  if (parts.proxy) parts.proxy->stop();
  parts.kubelet->stop();
  parts.repairs.close();
  parts.joinLanes();
}

}  // namespace keelson::agent
