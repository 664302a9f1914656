// Programming services beside `nft -f` of kube-proxy's layout (a chain for each service and endpoint), in one
// run.
//
//   proxy_bench [SERVICES...]   as root; works in a network namespace of its own (default: 1000 5000 10000)
//
// Prints one JSON row a line: {name, value, unit, budget, peer, peer_value, ratio}; rows without a peer have
// null there. Times are wall time of everything from the objects to the kernel: resolve, plan, commit.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "proxy/door_map.h"
#include "proxy/iptables_backend.h"
#include "proxy/nft_backend.h"
#include "proxy/program.h"

namespace {

using namespace keelson;
using namespace keelson::proxy;

constexpr int kEndpoints = 5;
constexpr int kChanges = 101;  // one by one; the median counts
constexpr int kPeerChanges = 3;
constexpr int kPeerServices = 5000;  // above, it takes minutes
constexpr double kChangeBudget = 1;  // ms

double milliseconds(const std::function<bool()>& work) {
  const auto start = std::chrono::steady_clock::now();
  if (!work()) return -1;
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void row(const std::string& name, double value, const char* unit, std::optional<double> budget,
         const std::string& peer = "", double peer_value = 0) {
  const std::string limit = budget ? fmt::format("{:.2f}", *budget) : "null";
  fmt::print("{{\"name\": \"{}\", \"value\": {:.2f}, \"unit\": \"{}\", \"budget\": {}, ", name, value, unit,
             limit);
  if (peer.empty())
    fmt::print("\"peer\": null, \"peer_value\": null, \"ratio\": null}}\n");
  else
    fmt::print("\"peer\": \"{}\", \"peer_value\": {:.2f}, \"ratio\": {:.2f}}}\n", peer, peer_value,
               peer_value / value);
  std::fflush(stdout);
}

std::string vip(int service) {
  return fmt::format("10.{}.{}.{}", 96 + service / 65536, service / 256 % 256, service % 256);
}
std::string endpoint(int number) {
  return fmt::format("10.{}.{}.{}", 200 + number / 65536, number / 256 % 256, number % 256);
}
std::string nameOf(int service) { return fmt::format("s{}", service); }

ServicePtr makeService(int number) {
  auto made = std::make_shared<api::Service>();
  made->metadata.namespace_ = "default";
  made->metadata.name = nameOf(number);
  made->spec.cluster_ips = {vip(number)};
  api::ServicePort port;
  port.port = 80;
  made->spec.ports = {port};
  return made;
}

// `turn` replaces the first endpoint by another.
SlicePtr makeSlice(int number, int turn = 0) {
  auto made = std::make_shared<api::EndpointSlice>();
  made->metadata.namespace_ = "default";
  made->metadata.name = nameOf(number);
  made->metadata.labels[api::kServiceNameLabel] = nameOf(number);
  made->address_type = "IPv4";
  for (int i = 0; i < kEndpoints; ++i) {
    api::Endpoint one;
    one.addresses = {i == 0 && turn ? fmt::format("10.250.{}.{}", turn / 256, turn % 256)
                                    : endpoint(number * kEndpoints + i)};
    one.node_name = "elsewhere";
    made->endpoints.push_back(one);
  }
  api::EndpointPort port;
  port.port = 8080;
  made->ports = {port};
  return made;
}

ObjectChanges everything(int services) {
  ObjectChanges changes;
  changes.all_services.emplace();
  changes.all_slices.emplace();
  for (int i = 0; i < services; ++i) {
    changes.all_services->push_back(makeService(i));
    changes.all_slices->push_back(makeSlice(i));
  }
  return changes;
}

double resident() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

struct Times {
  double fill = -1, change = -1, restart = -1;
  double memory = 0;  // MB, objects excluded
};

Times measure(DataPlane& plane, int services, int changes) {
  Stop stop;
  DoorMap map;
  auto objects = everything(services);
  const auto apply = [&](ObjectChanges given) {
    const auto made = map.apply(std::move(given));
    const auto done = plane.sync(map.doors(), made, stop);
    if (!done) fmt::print(stderr, "{}\n", done.error().text);
    return done.ok();
  };
  Times times;
  ::malloc_trim(0);
  const double before = resident();
  times.fill = milliseconds([&] { return apply(std::move(objects)); });
  ::malloc_trim(0);
  times.memory = resident() - before;
  std::vector<double> each;
  for (int i = 1; i <= changes; ++i) {
    ObjectChanges one;
    const int number = i * 37 % services;
    one.slices["default/" + nameOf(number)] = makeSlice(number, i);
    each.push_back(milliseconds([&] { return apply(std::move(one)); }));
  }
  times.change = median(each);
  plane.distrust();
  times.restart = milliseconds([&] { return apply({}); });
  if (!plane.remove(stop)) times.fill = -1;
  return times;
}

std::string peerService(int number, int turn) {
  std::string text, choices;
  for (int i = 0; i < kEndpoints; ++i) {
    const std::string address = i == 0 && turn ? fmt::format("10.250.{}.{}", turn / 256, turn % 256)
                                               : endpoint(number * kEndpoints + i);
    const std::string chain = fmt::format("endpoint-{}-{}", number, address);
    if (turn == 0 || i == 0) {
      text += fmt::format("add chain ip kube-proxy {}\n", chain);
      text += fmt::format("add rule ip kube-proxy {} ip saddr {} jump mark-for-masquerade\n", chain, address);
      text += fmt::format("add rule ip kube-proxy {} meta l4proto tcp dnat to {}:8080\n", chain, address);
    }
    choices += fmt::format("{}{} : goto {}", i ? ", " : "", i, chain);
  }
  const std::string chain = fmt::format("service-{}", number);
  if (turn)
    text += fmt::format("flush chain ip kube-proxy {}\n", chain);
  else
    text += fmt::format("add chain ip kube-proxy {}\n", chain);
  text += fmt::format(
      "add rule ip kube-proxy {} ip daddr {} tcp dport 80 ip saddr != 10.244.0.0/16 jump "
      "mark-for-masquerade\n"
      "add rule ip kube-proxy {} numgen random mod {} vmap {{ {} }}\n",
      chain, vip(number), chain, kEndpoints, choices);
  if (!turn)
    text += fmt::format("add element ip kube-proxy service-ips {{ {} . tcp . 80 : goto {} }}\n", vip(number),
                        chain);
  return text;
}

bool nft(const std::string& text) {
  Stop stop;
  const auto done = runProgram("nft", {"-f", "-"}, text, stop);
  if (done.ok() && done->status == 0) return true;
  fmt::print(stderr, "nft: {}\n", done.ok() ? done->err.substr(0, 500) : done.error().text);
  return false;
}

Times measurePeer(int services) {
  std::string text =
      "add table ip kube-proxy\nadd map ip kube-proxy service-ips { type ipv4_addr . inet_proto . "
      "inet_service : "
      "verdict; }\nadd chain ip kube-proxy mark-for-masquerade\nadd rule ip kube-proxy mark-for-masquerade "
      "meta mark "
      "set meta mark | 0x4000\nadd chain ip kube-proxy services\nadd rule ip kube-proxy services ip daddr . "
      "meta "
      "l4proto . th dport vmap @service-ips\nadd chain ip kube-proxy prerouting { type nat hook prerouting "
      "priority "
      "-100; }\nadd rule ip kube-proxy prerouting jump services\n";
  for (int i = 0; i < services; ++i) text += peerService(i, 0);
  Times times;
  times.fill = milliseconds([&] { return nft(text); });
  std::vector<double> each;
  for (int i = 1; i <= kPeerChanges; ++i)
    each.push_back(milliseconds([&] { return nft(peerService(i * 37 % services, i)); }));
  times.change = median(each);
  if (!nft("delete table ip kube-proxy\n")) times.fill = -1;
  return times;
}

// Over what the table of DESIGN.md asks, or in proportion.
double fillBudget(int services) { return services <= 1000 ? 50 : services <= 5000 ? 200 : services / 20.0; }

bool report(int services) {
  NftSettings settings;
  settings.cluster_cidrs = {IpPrefix::parse("10.244.0.0/16").value()};
  NftBackend ours(settings, {IpFamily::kV4});
  const Times mine = measure(ours, services, kChanges);
  const bool compared = services <= kPeerServices;
  const Times peer = compared ? measurePeer(services) : Times{0, 0, 0, 0};
  if (mine.fill < 0 || mine.change < 0 || mine.restart < 0 || peer.fill < 0 || peer.change < 0) return false;
  const char* const kPeer = compared ? "nft -f, kube-proxy's layout" : "";
  row(fmt::format("proxy: {} services x 5 endpoints from nothing", services), mine.fill, "ms",
      fillBudget(services), kPeer, peer.fill);
  row(fmt::format("proxy: one endpoint changed among {} services", services), mine.change, "ms",
      kChangeBudget, kPeer, peer.change);
  row(fmt::format("proxy: restart with {} services, nothing to change", services), mine.restart, "ms", {});
  row(fmt::format("proxy: memory of {} services beside their objects", services), mine.memory, "MB",
      services == 5000 ? std::optional<double>(20) : std::nullopt);
  return true;
}

bool reportIptables(int services) {
  IptablesSettings settings;
  settings.cluster_cidrs = {IpPrefix::parse("10.244.0.0/16").value()};
  IptablesBackend plane(settings, {IpFamily::kV4});
  const Times times = measure(plane, services, 5);
  if (times.fill < 0 || times.change < 0) return false;
  row(fmt::format("proxy, mode iptables: {} services x 5 endpoints from nothing", services), times.fill, "ms",
      {});
  row(fmt::format("proxy, mode iptables: one endpoint changed among {} services", services), times.change,
      "ms", {});
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("proxy_bench: a network namespace of its own");
    return 1;
  }
  std::vector<int> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::atoi(argv[i]));
  if (sizes.empty()) sizes = {1000, 5000, 10000};
  for (const int services : sizes)
    if (services < 1 || services > 60000 || !report(services)) return 1;
  return reportIptables(sizes.front()) ? 0 : 1;
}
