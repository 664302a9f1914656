// The certificate with which this node serves HTTPS: from files, from the cluster, or its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "kubelet/certificates/certificate_renewal.h"

namespace keelson::kubelet::certificates {

struct ServingOptions {
  std::string cert_file, key_file;  // tlsCertFile and tlsPrivateKeyFile: they win
  bool bootstrap = false;           // serverTLSBootstrap: signer kubernetes.io/kubelet-serving
  std::string cert_dir = "/var/lib/kubelet/pki";
  std::string node_name;
  Duration reread = std::chrono::minutes(1);  // of given files, which somebody else renews
};

struct ServingPair {
  std::string certificate_pem, key_pem;
  bool operator==(const ServingPair&) const = default;
};

// The files' pair; kInvalidArgument if they do not belong together. Blocks.
Result<ServingPair> readServingPair(const std::string& cert_file, const std::string& key_file);

// kubelet.crt and kubelet.key of `cert_dir`: those that are there if they are valid at `now` for all names,
// else new ones, signed by themselves, for a year. Blocks.
Result<ServingPair> ensureSelfSigned(const std::string& cert_dir, const CertificateSubject& subject,
                                     WallTime now);

// Tells the current pair, and each that replaces it. With `bootstrap` nothing is told before the cluster has
// issued one: it is asked for once an address is known, and again when addresses change; its approver is
// outside of Kubernetes' own controllers. Files are touched on a strand. Home: loop.
class ServingCertificates {
 public:
  // `client` is needed for `bootstrap` alone (a standalone node has none).
  ServingCertificates(Loop& loop, Lane& lane, Clock& clock, api::client::ApiClient* client,
                      ServingOptions options);
  ~ServingCertificates();

  void start(std::function<void(const ServingPair&)> on_pair);
  // Names and addresses of this node, as in its status (Hostname, InternalDNS, ..., InternalIP, ...).
  void setAddresses(std::vector<std::string> dns_names, std::vector<IpAddress> ip_addresses);
  // "" when all is well; for the status socket.
  const std::string& lastError() const { return last_error_; }

 private:
  void refresh();
  void onRead(Result<ServingPair> pair);

  Loop& loop_;
  Clock& clock_;
  ServingOptions options_;
  std::optional<CertificateSubject> subject_;
  std::optional<ServingPair> current_;
  std::string last_error_;
  std::function<void(const ServingPair&)> on_pair_;
  std::unique_ptr<CertificateRenewal> renewal_;
  Registration timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Strand files_;
};

}  // namespace keelson::kubelet::certificates
