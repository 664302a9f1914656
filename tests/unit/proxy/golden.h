// Golden texts, and one service for each feature to make them from.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "tests/paths.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy::test {

// Compares with tests/golden/NAME; KEELSON_GOLDEN=write rewrites it.
inline void expectGolden(const std::string& name, const std::string& text) {
  const std::string path = keelson::test::sourcePath("tests/golden/" + name);
  const char* mode = std::getenv("KEELSON_GOLDEN");
  if (mode && std::string(mode) == "write") {
    ASSERT_TRUE(writeFileAtomic(path, text, 0644).ok());
  }
  const auto golden = readFile(path, 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.error().text;
  EXPECT_EQ(*golden, text);
}

inline std::pair<std::vector<ServicePtr>, std::vector<SlicePtr>> everyFeature() {
  std::vector<ServicePtr> services;
  std::vector<SlicePtr> slices;
  const auto add = [&](const std::string& name, int number, std::vector<Port> ports,
                       const std::string& type) {
    auto made = service(name, fmt::format("10.96.0.{}", number), std::move(ports), type);
    made->spec.cluster_ips.push_back(fmt::format("fd00:96::{}", number));
    services.push_back(made);
    return made;
  };
  const auto serve = [&](const std::string& name, const std::vector<Port>& ports,
                         const std::vector<int>& local, const std::vector<int>& remote) {
    std::vector<std::string> four, six;
    for (const int n : local) {
      four.push_back(fmt::format("+10.244.0.{}", n));
      six.push_back(fmt::format("+fd00:244::{}", n));
    }
    for (const int n : remote) {
      four.push_back(fmt::format("10.244.1.{}", n));
      six.push_back(fmt::format("fd00:244:0:1::{}", n));
    }
    slices.push_back(slice(name, four, ports));
    slices.push_back(slice(name, six, ports, "IPv6"));
  };
  add("plain", 1, {{80, "web"}}, "ClusterIP");
  serve("plain", {{8080, "web"}}, {2}, {2});
  add("dns", 2, {{53, "dns", "UDP"}, {53, "dns-tcp"}, {3868, "diameter", "SCTP"}}, "ClusterIP");
  serve("dns", {{5353, "dns", "UDP"}, {5353, "dns-tcp"}, {3868, "diameter", "SCTP"}}, {3}, {});
  add("empty", 3, {{80, "web", "TCP", 30003}}, "NodePort");
  add("ports", 4, {{80, "web", "TCP", 30004}}, "NodePort");
  serve("ports", {{8080, "web"}}, {4}, {});
  add("sticky", 5, {{80, "web"}}, "ClusterIP")->spec.session_affinity = "ClientIP";
  serve("sticky", {{8080, "web"}}, {5}, {5});
  auto here = add("here", 6, {{80, "web"}}, "ClusterIP");
  here->spec.internal_traffic_policy = "Local";
  serve("here", {{8080, "web"}}, {}, {6});
  auto balanced = add("balanced", 7, {{80, "web", "TCP", 30007}}, "LoadBalancer");
  balanced->spec.external_traffic_policy = "Local";
  balanced->spec.external_ips = {"192.0.2.7", "fd02::7"};
  balanced->status.load_balancer_ingress = {{"198.51.100.7", "", ""}, {"fd51::7", "", ""}};
  balanced->spec.load_balancer_source_ranges = {"192.0.2.0/24", "fd02::/64"};
  serve("balanced", {{8080, "web"}}, {7}, {7});
  return {std::move(services), std::move(slices)};
}

}  // namespace keelson::proxy::test
