// What only the nftables back end promises, on the real kernel.
#include "proxy/nft_backend.h"

#include "tests/root/proxy/cluster.h"
#include "tests/unit/proxy/golden.h"

namespace keelson::proxy {
namespace {

using namespace test;

ROOT_TEST(NftBackend, WhatIsRightIsNotTouchedAndWhatChangedCostsItsOwnSize) {
  Cluster cluster(world.scratch);
  std::vector<ServicePtr> services;
  std::vector<SlicePtr> slices;
  for (int i = 1; i <= 100; ++i) {
    const std::string name = "s" + std::to_string(i);
    services.push_back(service(name, "10.96.1." + std::to_string(i)));
    slices.push_back(slice(name, {"10.244.1.1", "10.244.1.2", "10.244.1.3"}));
  }
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.structure);
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.generations.empty());
  slices[7] = slice("s8", {"10.244.1.1", "10.244.1.9", "10.244.1.3"});
  cluster.sync(services, slices);
  EXPECT_FALSE(cluster.report.structure);
  EXPECT_FALSE(cluster.report.full);
  EXPECT_EQ(cluster.report.elements, 2U);
  // A new life of the daemon finds everything right.
  cluster.plane->distrust();
  cluster.sync(services, slices);
  EXPECT_TRUE(cluster.report.full);
  EXPECT_TRUE(cluster.report.generations.empty());
}

ROOT_TEST(NftBackend, SomebodyElsesTableCostsNothingAndOurOwnComesBack) {
  Cluster cluster(world.scratch);
  const auto made = service("s", "10.96.0.1"), more = service("t", "10.96.0.2");
  const auto one = slice("s", {cluster.local("a")});
  cluster.sync({made}, {one});
  ASSERT_EQ(output("nft add table ip foreign"), "");
  cluster.sync({made, more}, {one});
  EXPECT_FALSE(cluster.report.full);
  ASSERT_EQ(output("nft delete table ip keelson-proxy"), "");
  // Found out by the refusal of the next change, if not by the watch before.
  cluster.sync({made}, {one});
  EXPECT_TRUE(cluster.report.full);
  EXPECT_EQ(cluster.askFrom("client", "10.96.0.1", 80), "a " + cluster.of("client"));
}

// nft lists elements in an order of its own: theirs is sorted, the chains stay as they are.
std::string sorted(const std::string& text) {
  const size_t chains = text.find("\tchain ");
  std::istringstream sets(text.substr(0, chains));
  std::vector<std::string> block;
  std::string all, line;
  const auto flush = [&] {
    std::sort(block.begin(), block.end());
    for (const auto& one : std::exchange(block, {})) all += one + "\n";
  };
  while (std::getline(sets, line)) {
    if (line == "\t}") flush();
    std::istringstream pieces(line.starts_with("\t\telements = { ") ? line.substr(15) : line);
    for (std::string piece; std::getline(pieces, piece, ',');) {
      const std::string word = words(piece.substr(0, piece.find(" }")));
      if (!word.empty()) block.push_back(word);
    }
  }
  flush();
  return all + words(text.substr(chains));
}

ROOT_TEST(NftBackend, EveryFeatureIsListedAsRendered) {
  Cluster cluster(world.scratch, Mode::kNftables, true);
  const auto [services, slices] = everyFeature();
  NftSettings settings;
  settings.cluster_cidrs = {prefix("10.244.0.0/16"), prefix("fd00:244::/48")};
  settings.chains = 2;
  const std::vector<IpFamily> families{IpFamily::kV4, IpFamily::kV6};
  NftBackend backend(settings, families);
  const auto resolved = resolveDoors(services, slices, kNode);
  const auto done = backend.sync(resolved.doors, {}, cluster.stop);
  ASSERT_TRUE(done.ok()) << done.error().text;
  for (const IpFamily family : families) {
    const char* name = family == IpFamily::kV4 ? "ip" : "ip6";
    const auto text = kernel::nft::renderTable(buildNftTable(resolved.doors, family, settings));
    expectGolden(fmt::format("nft/keelson_proxy_{}.nft", name), text);
    EXPECT_EQ(sorted(output(fmt::format("nft list table {} keelson-proxy", name))), sorted(text));
  }
}

}  // namespace
}  // namespace keelson::proxy
