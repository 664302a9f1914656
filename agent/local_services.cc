#include "agent/local_services.h"

#include "base/log.h"

namespace keelson::agent {
namespace {

// Of changes that come together: a burst of pods is one look.
constexpr Duration kTogether = std::chrono::milliseconds(5);

}  // namespace

LocalServices::LocalServices(Loop& loop, kubelet::Kubelet& kubelet, proxy::Proxy& proxy,
                             std::string node_name, IpPrefix range)
    : loop_(loop), kubelet_(kubelet), proxy_(proxy), node_name_(std::move(node_name)), range_(range) {}

void LocalServices::start() {
  proxy_.setNode({node_name_, ""});
  const auto soon = [this] {
    if (!pending_.active()) pending_ = loop_.after(kTogether, [this] { look(); });
  };
  kubelet_.onPodChanged([soon](const PodUid&) { soon(); });
  kubelet_.onManifestsChanged(soon);
  soon();
}

void LocalServices::look() {
  pending_.reset();
  std::vector<proxy::ServicePtr> services;
  for (const auto& [key, service] : kubelet_.objects()->services) services.push_back(service);
  auto addressed = proxy::assignClusterIps(services, range_);
  if (addressed.problems != problems_)
    for (const auto& problem : addressed.problems) LOG_WARN("{}", problem);
  problems_ = std::move(addressed.problems);
  std::vector<api::PodPtr> pods;
  for (const auto& view : kubelet_.pods())
    if (!view->released) pods.push_back(view->pod);
  proxy_.setSlices(proxy::slicesOf(addressed.services, pods, node_name_));
  proxy_.setServices(std::move(addressed.services));
}

}  // namespace keelson::agent
