#include "agent/kube_proxy_configuration.h"

#include <charconv>

#include "api/codec_impl.h"
#include "base/ip.h"

namespace keelson::api {

template <>
struct KindOf<agent::KubeProxyConfiguration> {
  static constexpr const char* kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";
  static constexpr const char* kKind = "KubeProxyConfiguration";
};

template <>
struct Schema<agent::KubeProxyConfiguration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("mode", c.mode);
    v("nodePortAddresses", c.node_port_addresses);
    v("healthzBindAddress", c.healthz_bind_address, kAlways);
    v("metricsBindAddress", c.metrics_bind_address, kAlways);
    v.object("iptables", [&](auto& in) {
      in("masqueradeAll", c.masquerade_all);
      in("localhostNodePorts", c.localhost_node_ports, kAlways);
      in.ignored({"masqueradeBit", "syncPeriod", "minSyncPeriod"});
    });
    v.object("nftables", [&](auto& in) {
      in("masqueradeAll", c.masquerade_all);
      in.ignored({"masqueradeBit", "syncPeriod", "minSyncPeriod"});
    });
    v.ignored({"featureGates", "clientConnection", "logging", "hostnameOverride", "bindAddress",
               "bindAddressHardFail", "enableProfiling", "showHiddenMetricsForVersion", "ipvs", "winkernel",
               "detectLocalMode", "detectLocal", "clusterCIDR", "oomScoreAdj", "conntrack",
               "configSyncPeriod", "portRange", "windowsRunAsService"});
  }
};

}  // namespace keelson::api

namespace keelson::agent {

Result<KubeProxyConfiguration> decodeKubeProxyConfiguration(const json::value& document,
                                                            std::vector<std::string>& warnings) {
  auto decoded = TRY(api::decode<KubeProxyConfiguration>(document));
  for (const std::string& warning : decoded.warnings)
    warnings.push_back("KubeProxyConfiguration: " + warning);
  return std::move(decoded.value);
}

Result<BindAddress> parseBindAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  BindAddress address;
  if (colon == std::string::npos)
    return makeError(Code::kInvalidArgument, "{}: address:port is expected", text);
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc{} || stop != end || !IpAddress::parse(address.host))
    return makeError(Code::kInvalidArgument, "{}: address:port is expected", text);
  return address;
}

void validateKubeProxyConfiguration(const KubeProxyConfiguration& configuration, ErrorList& errors) {
  const auto& mode = configuration.mode;
  if (!mode.empty() && mode != "nftables" && mode != "iptables")
    errors.add(makeError(Code::kInvalidArgument,
                         "KubeProxyConfiguration.mode: expected nftables or iptables, got {}", mode));
  for (const auto& [field, text] : {std::pair{"healthzBindAddress", configuration.healthz_bind_address},
                                    std::pair{"metricsBindAddress", configuration.metrics_bind_address}}) {
    if (text.empty()) continue;
    if (const auto parsed = parseBindAddress(text); !parsed)
      errors.add(
          makeError(Code::kInvalidArgument, "KubeProxyConfiguration.{}: {}", field, parsed.error().text));
  }
  for (const auto& text : configuration.node_port_addresses) {
    if (text == "primary") continue;
    const auto prefix = IpPrefix::parse(text);
    const bool single = prefix && prefix->length == (prefix->network.family == IpFamily::kV4 ? 32 : 128);
    if (!single && !(prefix && prefix->length == 0))
      errors.add(
          makeError(Code::kInvalidArgument,
                    "KubeProxyConfiguration.nodePortAddresses: {}: a single address (/32, /128), a prefix of "
                    "length 0, or primary is expected",
                    text));
  }
}

}  // namespace keelson::agent
