// Services of a node that runs alone: those of the manifest folder, served by its own pods.
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"
#include "kubelet/kubelet.h"
#include "proxy/local_endpoints.h"
#include "proxy/proxy.h"

namespace keelson::agent {

// Looks at manifests and pods whenever one of them changed, several changes at once. Home: loop; the others
// outlive it.
class LocalServices {
 public:
  LocalServices(Loop& loop, kubelet::Kubelet& kubelet, proxy::Proxy& proxy, std::string node_name,
                IpPrefix range);
  void start();

 private:
  void look();

  Loop& loop_;
  kubelet::Kubelet& kubelet_;
  proxy::Proxy& proxy_;
  const std::string node_name_;
  const IpPrefix range_;
  Registration pending_;
  std::vector<std::string> problems_;
};

}  // namespace keelson::agent
