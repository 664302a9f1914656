// The node's HTTPS server: what the API server, metrics-server and people with credentials ask on port 10250.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/health.h"
#include "agent/node_figures.h"
#include "agent/status_api.h"
#include "api/client/api_client.h"
#include "kubelet/certificates/serving_certificates.h"
#include "kubelet/server/node_guard.h"
#include "kubelet/server/tls_server.h"

namespace keelson::agent {

struct NodeServerSettings {
  IpAddress address;
  uint16_t port = 10250;
  kubelet::server::TlsSettings tls;
  kubelet::certificates::ServingOptions serving;
  std::vector<IpAddress> node_addresses;  // the certificate's, with the node's name
  std::string client_ca_file;             // "": no client certificates
  kubelet::server::NodeGuardSettings guard;
  kubelet::server::ReviewSettings reviews;
  Duration stream_idle_time = std::chrono::hours(4);
  bool debugging_handlers = true;
  json::value configuration;  // of /configz
};

// kInvalidArgument naming the field that cannot be served.
Result<NodeServerSettings> nodeServerSettings(const Config& config, const std::string& node_name,
                                              const std::string& cert_dir, std::vector<IpAddress> addresses);

// Listens from create() on; answers once there is a serving certificate. Files are read on a strand, and
// again when they change. Owned by the agent. Home: loop.
class NodeServer {
 public:
  // `files`: a lane. `figures` and what `with` names outlive it. kAlreadyExists if the port is taken.
  static Result<std::unique_ptr<NodeServer>> create(NodeServerSettings settings,
                                                    const StatusDependencies& with, Lane& files,
                                                    Health& health, NodeFigures& figures);
  ~NodeServer();

  void start();
  // For tokens, rights and the certificate's signing; null before the client ends.
  void setClient(api::client::ApiClient* client);
  uint16_t port() const { return server_->port(); }

 private:
  NodeServer(NodeServerSettings settings, const StatusDependencies& with, Lane& files);
  void startCertificates(api::client::ApiClient* client);
  void readAuthorities();
  void onAuthorities(Result<std::string> pem);
  void renewContext();
  void tell(std::string& told, const char* what, const std::string& error);

  const NodeServerSettings settings_;
  Loop& loop_;
  Clock& clock_;
  Lane& files_;
  std::shared_ptr<kubelet::server::NodeGuard> guard_;
  std::unique_ptr<kubelet::certificates::ServingCertificates> certificates_;
  kubelet::certificates::ServingPair pair_;
  std::string authorities_pem_;
  std::string authorities_told_, context_told_;
  Registration reread_;
  Strand strand_;
  std::unique_ptr<kubelet::server::TlsServer> server_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace keelson::agent
