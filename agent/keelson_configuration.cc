#include "agent/keelson_configuration.h"

#include "api/codec_impl.h"
#include "base/ip.h"

namespace keelson::api {

template <>
struct Schema<agent::RegistryEntry> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("host", c.host, kAlways);
    v("mirrors", c.mirrors);
    v("plainHTTP", c.plain_http);
    v("caFile", c.ca_file);
  }
};

template <>
struct KindOf<agent::KeelsonConfiguration> {
  static constexpr const char* kApiVersion = "keelson.dev/v1alpha1";
  static constexpr const char* kKind = "KeelsonConfiguration";
};

template <>
struct Schema<agent::KeelsonConfiguration> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("runDir", c.run_dir);
    v("stateDir", c.state_dir);
    v("socket", c.socket);
    v("shim", c.shim);
    v("bridge", c.bridge);
    v("mtu", c.mtu);
    v("clusterCIDRs", c.cluster_cidrs);
    v("registries", c.registries);
    v("logLevel", c.log_level);
    v("containerLogsDir", c.container_logs_dir);
    v("serveServices", c.serve_services, kAlways);
    v("watchFallbackPollInterval", c.watch_fallback_poll_interval);
  }
};

}  // namespace keelson::api

namespace keelson::agent {

Duration KeelsonConfiguration::watchFallbackPollInterval() const {
  return watch_fallback_poll_interval.empty()
             ? Duration{0}
             : parseDuration(watch_fallback_poll_interval).valueOr(Duration{0});
}

Result<KeelsonConfiguration> decodeKeelsonConfiguration(const json::value& document) {
  return TRY(api::decode<KeelsonConfiguration>(document, api::UnknownFields::kRefuse)).value;
}

void validateKeelsonConfiguration(const KeelsonConfiguration& configuration, ErrorList& errors) {
  const auto require = [&](bool good, const char* field, const std::string& expected) {
    if (!good) errors.add(makeError(Code::kInvalidArgument, "{}: expected {}", field, expected));
  };
  for (const std::string& text : configuration.cluster_cidrs) {
    if (auto prefix = IpPrefix::parse(text); !prefix)
      errors.add(std::move(prefix).error().withContext("clusterCIDRs"));
  }
  const auto& level = configuration.log_level;
  require(level == "debug" || level == "info" || level == "warn" || level == "error", "logLevel",
          "debug, info, warn or error");
  // Linux allows 15 bytes for the name of a link (IFNAMSIZ).
  require(!configuration.bridge.empty() && configuration.bridge.size() < 16 &&
              configuration.bridge.find('/') == std::string::npos,
          "bridge", "the name of a link, 1 to 15 bytes");
  require(configuration.mtu == 0 || (configuration.mtu >= 68 && configuration.mtu <= 65535), "mtu",
          "0, or 68 to 65535");
  for (const auto& registry : configuration.registries)
    require(!registry.host.empty(), "registries[].host", "a host, or host:port");
  if (const std::string& text = configuration.watch_fallback_poll_interval; !text.empty()) {
    const auto interval = parseDuration(text);
    require(interval && *interval >= std::chrono::seconds(1) && *interval <= std::chrono::hours(1),
            "watchFallbackPollInterval", "a duration from 1s to 1h, or nothing");
  }
}

}  // namespace keelson::agent
