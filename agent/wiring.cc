#include "agent/wiring.h"

#include <fcntl.h>
#include <sys/file.h>

#include <optional>
#include <set>

#include "agent/health.h"
#include "agent/node_info.h"
#include "agent/status_api.h"
#include "base/fs.h"
#include "base/http.h"
#include "base/log.h"
#include "cni/bridge_network.h"
#include "kernel/cgroup.h"
#include "kubelet/kubelet.h"
#include "kubelet/server/container_logs.h"
#include "kubelet/server/tcp_server.h"
#include "kubelet/server/unix_server.h"
#include "runtime/host_path.h"
#include "runtime/images/native_image_service.h"
#include "runtime/native_runtime.h"
#include "runtime/shim_image.h"

namespace keelson::agent {
namespace {

constexpr Duration kStartTime = std::chrono::seconds(60);
constexpr Duration kRepairTime = std::chrono::seconds(10);
// Foreign changes are told by the kernel; this is for those it could not tell (a full socket buffer).
constexpr Duration kRepairPeriod = std::chrono::minutes(1);
constexpr Duration kSlowCallback = std::chrono::milliseconds(10);

// One daemon a run folder: held until the process ends, however it ends.
Result<UniqueFd> lockRunDir(const std::string& run_dir) {
  const DirFd directory = TRY_CTX(DirFd::ensure(run_dir, 0700), "run folder");
  UniqueFd lock = TRY(directory.openBeneath("keelson.lock", O_RDWR | O_CREAT, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return sysError("lock {}/keelson.lock", run_dir);
    return makeError(Code::kAlreadyExists, "another keelson runs with run folder {}", run_dir);
  }
  return lock;
}

std::string trimSlashes(std::string path) {
  path.erase(0, path.find_first_not_of('/'));
  while (path.ends_with('/')) path.pop_back();
  return path;
}

runtime::CgroupOptions cgroupOptions(const KubeletConfiguration& kubelet, kernel::CgroupMode mode) {
  runtime::CgroupOptions options;
  options.root = trimSlashes(kubelet.cgroup_root);
  options.cpu_cfs_quota = kubelet.cpu_cfs_quota;
  options.cpu_cfs_period_us =
      std::chrono::duration_cast<std::chrono::microseconds>(kubelet.cpu_cfs_quota_period).count();
  options.pod_pids_limit = kubelet.pod_pids_limit;
  options.single_process_oom_kill = kubelet.single_process_oom_kill.value_or(mode != kernel::CgroupMode::kV2);
  return options;
}

Result<kubelet::Options> kubeletOptions(const Config& config, const Flags& flags, const NodeInfo& node) {
  const auto& from = config.kubelet;
  kubelet::Options options;
  options.node_name = flags.node_name.empty() ? node.host_name : flags.node_name;
  options.node_labels = flags.node_labels;
  options.node_labels.emplace("kubernetes.io/hostname", options.node_name);
  options.node_labels.emplace("kubernetes.io/os", "linux");
#if defined(__x86_64__)
  options.node_labels.emplace("kubernetes.io/arch", "amd64");
#elif defined(__aarch64__)
  options.node_labels.emplace("kubernetes.io/arch", "arm64");
#endif
  options.node_ips = node.addresses;
  if (!flags.node_ips.empty()) {
    options.node_ips.clear();
    for (const std::string& text : flags.node_ips)
      options.node_ips.push_back(TRY_CTX(IpAddress::parse(text), "--node-ip"));
  }
  options.static_pod_path = from.static_pod_path;
  options.root_dir = flags.root_dir;
  options.pod_logs_dir = from.pod_logs_dir;
  options.container_logs_dir = config.keelson.container_logs_dir;
  options.resolv_conf = from.resolv_conf;
  options.cluster_dns = from.cluster_dns;
  options.cluster_domain = from.cluster_domain;
  options.file_check_frequency = from.file_check_frequency;
  options.sync_frequency = from.sync_frequency;
  options.max_container_restart_period = from.max_container_restart_period;
  options.max_pods = from.max_pods;
  options.node_memory = node.memory;
  options.node_cpu = node.cpu;
  options.seccomp_default = from.seccomp_default;
  options.seccomp_dir = flags.root_dir + "/seccomp";
  options.container_log_max_size = api::Quantity::parse(from.container_log_max_size).value().value();
  options.container_log_max_files = static_cast<uint32_t>(from.container_log_max_files);
  return options;
}

runtime::RegistryOptions registryOptions(const KeelsonConfiguration& keelson) {
  runtime::RegistryOptions options;
  for (const auto& entry : keelson.registries) {
    runtime::RegistryHost& host = options.hosts[entry.host];
    host.mirrors = entry.mirrors;
    host.plain_http = entry.plain_http;
    host.ca_file = entry.ca_file;
  }
  return options;
}

Result<cni::BridgeNetworkOptions> bridgeOptions(const Config& config) {
  cni::BridgeNetworkOptions options;
  options.bridge = config.keelson.bridge;
  options.mtu = static_cast<uint32_t>(config.keelson.mtu);
  options.state_directory = config.keelson.run_dir + "/network";  // addresses do not outlive the boot
  for (size_t from = 0; from < config.kubelet.pod_cidr.size();) {
    const size_t comma = std::min(config.kubelet.pod_cidr.find(',', from), config.kubelet.pod_cidr.size());
    options.pod_cidrs.push_back(TRY(IpPrefix::parse(config.kubelet.pod_cidr.substr(from, comma - from))));
    from = comma + 1;
  }
  for (const std::string& text : config.keelson.cluster_cidrs)
    options.cluster_cidrs.push_back(TRY(IpPrefix::parse(text)));
  return options;
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
  std::string socket_path;
  std::optional<std::pair<IpAddress, uint16_t>> healthz_at;  // none: off
  Health health{loop, realClock()};
  std::unique_ptr<kubelet::server::TcpServer> healthz;
  Lane pods{"pods", 4};
  Lane images{"images", 3};
  Lane volumes{"volumes", 2};
  Lane status{"status", 2};
  Lane network_lane{"network", 1};  // one that waits for the kernel's rtnl lock holds up nothing else
  std::unique_ptr<HttpClient> http = makeHttpClient();
  std::unique_ptr<runtime::NativeImageService> image_service;
  std::unique_ptr<runtime::NativeRuntime> runtime;
  std::unique_ptr<runtime::HostPaths> host_paths;
  std::unique_ptr<cni::BridgeNetwork> network;
  std::unique_ptr<kubelet::Kubelet> kubelet;
  std::unique_ptr<kubelet::server::LogWatcher> log_watcher;
  std::unique_ptr<kubelet::server::UnixServer> server;
  Strand repairs{network_lane, "network-repair"};
  Registration network_watch;
  Registration repair_timer;
  Stop stopping;  // cancelled by stop(): pulls and imports asked for over the status socket end then

  ~Parts() {
    stopping.cancel();
    for (Lane* lane : {&status, &images, &volumes, &network_lane, &pods}) lane->join();
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
  if (config.kubelet.cgroup_driver == "systemd")
    LOG_WARN("cgroupDriver systemd is not served yet: pods get the names of cgroupfs, in /kubepods");

  const NodeInfo node = TRY(readNodeInfo());
  kubelet::Options options = TRY(kubeletOptions(config, flags, node));
  auto hierarchies = TRY(kernel::CgroupHierarchies::ofThisHost());
  options.cgroups = cgroupOptions(config.kubelet, hierarchies.mode);
  const auto shim = TRY(runtime::sealShim(config.keelson.shim));

  runtime::NativeImageOptions image_options;
  image_options.root = config.keelson.state_dir + "/images";
  image_options.registries = registryOptions(config.keelson);
  image_options.lane = &parts->volumes;
  parts->image_service =
      TRY(runtime::NativeImageService::open(std::move(image_options), *parts->http, realClock()));
  runtime::NativeRuntimeOptions runtime_options;
  runtime_options.run_dir = config.keelson.run_dir;
  runtime_options.state_dir = config.keelson.state_dir;
  runtime_options.cgroups = options.cgroups;
  runtime_options.hierarchies = std::move(hierarchies);
  runtime_options.shim = shim;
  parts->runtime = TRY(runtime::NativeRuntime::open(std::move(runtime_options), loop, *parts->image_service));
  parts->host_paths = runtime::makeHostPaths(loop, shim);
  parts->network = TRY(cni::BridgeNetwork::open(TRY(bridgeOptions(config))));
  const kubelet::Dependencies dependencies{
      loop,           parts->pods,     parts->images,         parts->volumes,
      realClock(),    *parts->runtime, *parts->image_service, *parts->host_paths,
      *parts->network};
  parts->kubelet = kubelet::makeKubelet(options, dependencies);
  parts->log_watcher = TRY(kubelet::server::LogWatcher::create(loop));
  LOG_INFO("keelson {} on node {}: {} cores, {} MiB, manifests in {}", KEELSON_VERSION, options.node_name,
           options.node_cpu.value / 1000, options.node_memory.value >> 20, options.static_pod_path);
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
  TRY(parts.kubelet->start());
  // By now every container found here holds the lease on its layers again.
  parts.image_service->dropInheritedLeases();
  return {};
}

Result<void> Agent::health() const { return parts_->health.check(); }

void Agent::stop() {
  Parts& parts = *parts_;
  parts.stopping.cancel();
  parts.server.reset();
  parts.healthz.reset();
  parts.network_watch.reset();
  parts.repair_timer.reset();
  parts.kubelet->stop();
  parts.repairs.close();
  for (Lane* lane : {&parts.status, &parts.images, &parts.volumes, &parts.network_lane, &parts.pods})
    lane->join();
}

}  // namespace keelson::agent
