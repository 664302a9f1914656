// TLS bootstrap: from a token to a client certificate of this node's own.
// https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/client/kubeconfig.h"
#include "base/backoff.h"
#include "base/executor.h"
#include "kubelet/certificates/certificate_store.h"
#include "kubelet/certificates/signing_request.h"

namespace keelson::kubelet::certificates {

struct BootstrapOptions {
  std::string kubeconfig;            // read if it is usable, else written
  std::string bootstrap_kubeconfig;  // "": none
  std::string cert_dir = "/var/lib/kubelet/pki";
  std::string node_name;
  bool rotate =
      false;  // rotateCertificates: the connection names the store's certificate (rotatingConnection)
  SigningTiming timing;
  BackoffPolicy backoff{std::chrono::seconds(2), std::chrono::minutes(5), std::chrono::minutes(30)};
};

// The connection of a kubeconfig that can be used at `now`: its client certificates have not expired, or it
// identifies itself by other means. Blocks. kFailedPrecondition when it is expired or has no identity.
Result<api::client::Connection> readUsableKubeconfig(const std::string& path, WallTime now);

// The kubeconfig that follows from a bootstrap: the same server, identified by the certificate file.
api::client::Connection bootstrappedConnection(const api::client::Connection& bootstrap,
                                               const std::string& pem_path);

// The same connection by the certificate of `store`, which CertificateRenewal replaces. An empty store gets
// the connection's own certificate first (kubeadm embeds one on control-plane nodes). Unchanged when its
// identity is no certificate, or when the store holds another node's or an expired one. Blocks.
Result<api::client::Connection> rotatingConnection(api::client::Connection connection,
                                                   const CertificateStore& store, WallTime now);

// Gets the connection with which this node talks to its API server. A usable kubeconfig is taken as it
// is; otherwise a certificate is asked for with the bootstrap kubeconfig, stored in cert-dir as
// kubelet-client-current.pem, and the kubeconfig written. Never gives up: each failure is logged and tried
// again by the back-off. Until the request is answered its key is kept as kubelet-client.key.tmp, so that a
// restart finds its own request again. Files are touched on a strand of `lane`. Home: loop.
class ClientBootstrap {
 public:
  using MakeClient =
      std::function<Result<std::unique_ptr<api::client::ApiClient>>(const api::client::Connection&)>;

  ClientBootstrap(Loop& loop, Lane& lane, Clock& clock, MakeClient make_client, BootstrapOptions options);
  ~ClientBootstrap();

  // `done` runs once, on the loop.
  void start(std::function<void(api::client::Connection)> done);
  // "" when all is well; for the status socket.
  const std::string& lastError() const { return last_error_; }

 private:
  struct Prepared;
  void prepare();
  void onPrepared(Result<Prepared> prepared);
  void onSigned(Result<std::string> pem);
  void retry(const Error& error);

  Loop& loop_;
  Clock& clock_;
  MakeClient make_client_;
  BootstrapOptions options_;
  std::function<void(api::client::Connection)> done_;
  std::string last_error_;
  Backoff backoff_;
  Registration retry_timer_;
  std::unique_ptr<Prepared> prepared_;
  std::unique_ptr<api::client::ApiClient> client_;
  std::unique_ptr<SigningRequest> signing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Strand files_;
};

}  // namespace keelson::kubelet::certificates
