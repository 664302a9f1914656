#include "agent/node_server.h"

#include "agent/node_routes.h"
#include "base/fs.h"
#include "base/log.h"

namespace keelson::agent {
namespace {

namespace server = kubelet::server;
namespace certificates = kubelet::certificates;

constexpr size_t kMaxAuthorities = size_t{4} << 20;
constexpr Duration kReread = std::chrono::minutes(1);

server::ServerLimits limitsOf(const NodeServerSettings& settings) {
  server::ServerLimits limits;
  // A head is read before anybody is known: 4096 strangers of Go's default, 1 MiB, would be the node's
  // memory.
  limits.header_bytes = 64 * 1024;
  limits.idle_time = std::chrono::seconds(90);
  limits.stream_idle_time = settings.stream_idle_time;
  return limits;
}

}  // namespace

Result<NodeServerSettings> nodeServerSettings(const Config& config, const std::string& node_name,
                                              const std::string& cert_dir, std::vector<IpAddress> addresses) {
  const KubeletConfiguration& kubelet = config.kubelet;
  NodeServerSettings settings;
  settings.address = TRY_CTX(IpAddress::parse(kubelet.address), "address");
  settings.port = static_cast<uint16_t>(kubelet.port);
  settings.tls = {kubelet.tls_min_version, kubelet.tls_cipher_suites, kubelet.tls_curve_preferences};
  TRY(server::checkTlsSettings(settings.tls));
  settings.serving.cert_file = kubelet.tls_cert_file;
  settings.serving.key_file = kubelet.tls_private_key_file;
  settings.serving.bootstrap = kubelet.server_tls_bootstrap;
  settings.serving.cert_dir = cert_dir;
  settings.serving.node_name = node_name;
  settings.node_addresses = std::move(addresses);
  settings.client_ca_file = kubelet.authentication.client_ca_file;
  settings.guard = {node_name, kubelet.authentication.webhook_enabled,
                    kubelet.authentication.anonymous_enabled, kubelet.authorization.mode == "AlwaysAllow"};
  settings.reviews = {kubelet.authentication.webhook_cache_ttl, kubelet.authorization.cache_authorized_ttl,
                      kubelet.authorization.cache_unauthorized_ttl};
  settings.stream_idle_time = kubelet.streaming_connection_idle_timeout;
  settings.debugging_handlers = kubelet.enable_debugging_handlers;
  settings.configuration = encodeKubeletConfiguration(kubelet);
  return settings;
}

Result<std::unique_ptr<NodeServer>> NodeServer::create(NodeServerSettings settings,
                                                       const StatusDependencies& with, Lane& files,
                                                       Health& health, NodeFigures& figures) {
  auto made = std::unique_ptr<NodeServer>(new NodeServer(std::move(settings), with, files));
  auto routes =
      nodeRoutes(with, health, figures, {made->settings_.debugging_handlers, made->settings_.configuration});
  made->server_ = TRY(server::TlsServer::listen(with.loop, made->settings_.address, made->settings_.port,
                                                std::move(routes), made->guard_, limitsOf(made->settings_)));
  return made;
}

NodeServer::NodeServer(NodeServerSettings settings, const StatusDependencies& with, Lane& files)
    : settings_(std::move(settings)),
      loop_(with.loop),
      clock_(with.clock),
      files_(files),
      guard_(std::make_shared<server::NodeGuard>(with.clock, settings_.guard, settings_.reviews)),
      strand_(files, "node-server-files") {}

NodeServer::~NodeServer() {
  *alive_ = false;
  guard_->setClient(nullptr);
}

void NodeServer::start() {
  if (!settings_.serving.bootstrap) startCertificates(nullptr);
  if (settings_.client_ca_file.empty()) return;
  readAuthorities();
  reread_ = loop_.every(kReread, [this] { readAuthorities(); });
}

void NodeServer::setClient(api::client::ApiClient* client) {
  guard_->setClient(client);
  if (!settings_.serving.bootstrap) return;
  certificates_.reset();
  if (client) startCertificates(client);
}

void NodeServer::startCertificates(api::client::ApiClient* client) {
  certificates_ =
      std::make_unique<certificates::ServingCertificates>(loop_, files_, clock_, client, settings_.serving);
  certificates_->start([this](const certificates::ServingPair& pair) {
    pair_ = pair;
    renewContext();
  });
  certificates_->setAddresses({settings_.serving.node_name}, settings_.node_addresses);
}

void NodeServer::readAuthorities() {
  strand_.post([this, alive = std::weak_ptr<bool>(alive_), &loop = loop_, file = settings_.client_ca_file] {
    auto text = std::make_shared<Result<std::string>>(readFile(file, kMaxAuthorities));
    loop.post([this, alive, text] {
      if (!alive.expired()) onAuthorities(std::move(*text));
    });
  });
}

void NodeServer::onAuthorities(Result<std::string> pem) {
  if (pem && *pem == authorities_pem_) return;
  auto authorities = pem ? server::ClientAuthorities::parse(*pem)
                         : Result<std::shared_ptr<const server::ClientAuthorities>>(pem.error());
  tell(authorities_told_, "clientCAFile", authorities ? "" : authorities.error().text);
  if (!authorities) return;  // those of before stay
  guard_->setAuthorities(std::move(authorities).value());
  authorities_pem_ = std::move(pem).value();
  renewContext();
}

void NodeServer::renewContext() {
  if (pair_.certificate_pem.empty()) return;
  auto context =
      server::makeTlsContext(settings_.tls, pair_.certificate_pem, pair_.key_pem, authorities_pem_);
  tell(context_told_, "TLS", context ? "" : context.error().text);
  if (context) server_->setContext(std::move(context).value());
}

// Once when it begins, once when it is over.
void NodeServer::tell(std::string& told, const char* what, const std::string& error) {
  if (told == error) return;
  if (error.empty())
    LOG_INFO("server: {}: well again", what);
  else
    LOG_ERROR("server: {}: {}", what, error);
  told = error;
}

}  // namespace keelson::agent
