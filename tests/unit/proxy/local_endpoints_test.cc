#include "proxy/local_endpoints.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

api::PodPtr pod(const std::string& name, api::StringMap labels, const std::string& address,
                bool ready = true) {
  auto made = std::make_shared<api::Pod>();
  made->metadata.namespace_ = "default";
  made->metadata.name = name;
  made->metadata.labels = std::move(labels);
  made->status.phase = "Running";
  made->status.pod_ips = {address};
  made->status.conditions.resize(1);
  made->status.conditions[0].type = "Ready";
  made->status.conditions[0].status = ready ? "True" : "False";
  made->spec.containers.resize(1);
  made->spec.containers[0].ports.resize(1);
  made->spec.containers[0].ports[0].name = "web";
  made->spec.containers[0].ports[0].container_port = 8080;
  return made;
}

std::shared_ptr<api::Service> selecting(const std::string& color, api::IntOrString target = 0) {
  auto made = service("web", "10.96.0.1");
  made->spec.selector = {{"app", "web"}, {"color", color}};
  made->spec.ports[0].target_port = std::move(target);
  return made;
}

std::string doors(const std::shared_ptr<api::Service>& made, const std::vector<api::PodPtr>& pods) {
  return describe(resolveDoors({made}, slicesOf({made}, pods, "node1"), kNode));
}

TEST(LocalEndpoints, TheSelectorDecidesAndANewOneMovesTheTraffic) {
  const std::vector<api::PodPtr> pods{pod("blue", {{"app", "web"}, {"color", "blue"}}, "10.244.0.2"),
                                      pod("green", {{"app", "web"}, {"color", "green"}}, "10.244.0.3")};
  EXPECT_EQ(doors(selecting("blue"), pods), "10.96.0.1:80/TCP +10.244.0.2:80\n");
  EXPECT_EQ(doors(selecting("green"), pods), "10.96.0.1:80/TCP +10.244.0.3:80\n");
}

TEST(LocalEndpoints, TargetPortsAreNumbersOrNamesOfThePod) {
  const std::vector<api::PodPtr> pods{pod("blue", {{"app", "web"}, {"color", "blue"}}, "10.244.0.2")};
  EXPECT_EQ(doors(selecting("blue", 81), pods), "10.96.0.1:80/TCP +10.244.0.2:81\n");
  EXPECT_EQ(doors(selecting("blue", std::string("web")), pods), "10.96.0.1:80/TCP +10.244.0.2:8080\n");
  EXPECT_EQ(doors(selecting("blue", std::string("admin")), pods), "10.96.0.1:80/TCP\n");
}

TEST(LocalEndpoints, OnlyReadyPodsServeUnlessTheServiceSaysOtherwise) {
  const std::vector<api::PodPtr> pods{pod("blue", {{"app", "web"}, {"color", "blue"}}, "10.244.0.2", false)};
  auto made = selecting("blue");
  EXPECT_EQ(doors(made, pods), "10.96.0.1:80/TCP\n");
  made->spec.publish_not_ready_addresses = true;
  EXPECT_EQ(doors(made, pods), "10.96.0.1:80/TCP +10.244.0.2:80\n");
}

TEST(LocalEndpoints, AddressesStayTheSameWhateverElseThereIs) {
  const IpPrefix range = IpPrefix::parse("10.96.0.0/16").value();
  auto a = service("a", ""), b = service("b", ""), fixed = service("c", "10.96.0.7");
  a->spec.cluster_ips.clear();
  b->spec.cluster_ips.clear();
  const auto alone = assignClusterIps({a}, range), all = assignClusterIps({b, fixed, a}, range);
  ASSERT_EQ(all.services.size(), 3U);
  EXPECT_TRUE(all.problems.empty());
  EXPECT_EQ(alone.services[0]->spec.cluster_ips, all.services[0]->spec.cluster_ips);
  EXPECT_NE(all.services[0]->spec.cluster_ips, all.services[1]->spec.cluster_ips);
  EXPECT_EQ(all.services[2]->spec.cluster_ips, std::vector<std::string>{"10.96.0.7"});
}

TEST(LocalEndpoints, AFullRangeIsToldByName) {
  std::vector<ServicePtr> services;
  for (const char* name : {"a", "b", "c"}) {
    auto made = service(name, "");
    made->spec.cluster_ips.clear();
    services.push_back(made);
  }
  const auto made = assignClusterIps(services, IpPrefix::parse("10.96.0.0/30").value());
  EXPECT_EQ(made.services.size(), 2U);
  EXPECT_EQ(made.problems, std::vector<std::string>{"service default/c: no free address in 10.96.0.0/30"});
}

}  // namespace
}  // namespace keelson::proxy
