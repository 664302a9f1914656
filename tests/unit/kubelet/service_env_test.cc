#include "kubelet/service_env.h"

#include <gtest/gtest.h>

namespace keelson::kubelet {
namespace {

std::shared_ptr<const api::Service> serviceOf(const std::string& name, const std::string& address,
                                              std::vector<api::ServicePort> ports) {
  api::Service service;
  service.metadata.name = name;
  if (!address.empty()) service.spec.cluster_ips = {address};
  service.spec.ports = std::move(ports);
  return std::make_shared<const api::Service>(std::move(service));
}

api::ServicePort portOf(const std::string& name, int32_t number, const std::string& protocol = "TCP") {
  api::ServicePort port;
  port.name = name;
  port.port = number;
  port.protocol = protocol;
  return port;
}

TEST(ServiceEnv, TellsHostPortsAndLinks) {
  const std::map<std::string, std::string> want = {
      {"SUPER_DUPER_SERVICE_HOST", "10.0.0.3"},
      {"SUPER_DUPER_SERVICE_PORT", "8081"},
      {"SUPER_DUPER_SERVICE_PORT_A_B", "8081"},
      {"SUPER_DUPER_PORT", "tcp://10.0.0.3:8081"},
      {"SUPER_DUPER_PORT_8081_TCP", "tcp://10.0.0.3:8081"},
      {"SUPER_DUPER_PORT_8081_TCP_PROTO", "tcp"},
      {"SUPER_DUPER_PORT_8081_TCP_PORT", "8081"},
      {"SUPER_DUPER_PORT_8081_TCP_ADDR", "10.0.0.3"},
      {"SUPER_DUPER_SERVICE_PORT_DNS", "53"},
      {"SUPER_DUPER_PORT_53_UDP", "udp://10.0.0.3:53"},
      {"SUPER_DUPER_PORT_53_UDP_PROTO", "udp"},
      {"SUPER_DUPER_PORT_53_UDP_PORT", "53"},
      {"SUPER_DUPER_PORT_53_UDP_ADDR", "10.0.0.3"},
  };
  EXPECT_EQ(
      serviceEnv({serviceOf("super-duper", "10.0.0.3", {portOf("a-b", 8081), portOf("dns", 53, "UDP")})}),
      want);
}

TEST(ServiceEnv, PutsIpv6AddressesInBrackets) {
  const auto env = serviceEnv({serviceOf("six", "2001:db8::1", {portOf("", 80)})});
  EXPECT_EQ(env.at("SIX_SERVICE_HOST"), "2001:db8::1");
  EXPECT_EQ(env.at("SIX_PORT"), "tcp://[2001:db8::1]:80");
  EXPECT_EQ(env.at("SIX_PORT_80_TCP_ADDR"), "2001:db8::1");
}

TEST(ServiceEnv, LeavesOutServicesWithoutAddress) {
  EXPECT_TRUE(serviceEnv({serviceOf("headless", "None", {portOf("", 80)}), serviceOf("external", "", {}),
                          serviceOf("portless", "10.0.0.1", {})})
                  .empty());
}

}  // namespace
}  // namespace keelson::kubelet
