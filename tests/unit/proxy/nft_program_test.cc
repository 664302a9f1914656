#include "proxy/nft_program.h"

#include <gtest/gtest.h>

#include <random>

#include "proxy/door_map.h"
#include "tests/unit/proxy/fake_table.h"
#include "tests/unit/proxy/model.h"
#include "tests/unit/proxy/world.h"

namespace keelson::proxy {
namespace {

using namespace test;

NftSettings settings(size_t piece = 20'000) {
  NftSettings made;
  made.cluster_cidrs = {IpPrefix::parse("10.244.0.0/16").value(), IpPrefix::parse("fd00::/64").value()};
  made.chains = 2;
  made.piece = piece;
  return made;
}

// A node whose table follows services and slices.
struct Table {
  explicit Table(IpFamily of = IpFamily::kV4, NftSettings given = settings())
      : family(of), use(std::move(given)), kernel(nftTable(of, use).family) {}

  std::string commit(const NftSteps& steps) {
    commits = steps.commits.size() + (steps.shrink.empty() ? 0 : 1);
    elements = steps.elements;
    text.clear();
    for (const auto& batch : steps.commits) {
      text += nft::renderBatch(batch);
      if (auto refused = kernel.commit(batch); !refused.empty()) return refused;
      if (afterEach) afterEach();
    }
    text += nft::renderBatch(steps.shrink);
    return kernel.commit(steps.shrink);
  }
  std::string change(ObjectChanges objects) {
    const auto changes = map.apply(std::move(objects));
    return program ? commit(program->change(changes)) : restart();
  }
  std::string restart() {
    program = std::make_unique<NftProgram>(family, use);
    return commit(program->start(kernel.read(), map.doors()).value());
  }
  std::string set(std::vector<ServicePtr> services, std::vector<SlicePtr> slices) {
    ObjectChanges changes;
    changes.all_services = std::move(services);
    changes.all_slices = std::move(slices);
    changes.node = kNode;
    return change(std::move(changes));
  }

  IpFamily family;
  NftSettings use;
  FakeTable kernel;
  DoorMap map;
  std::unique_ptr<NftProgram> program;
  size_t commits = 0, elements = 0;
  std::string text;
  std::function<void()> afterEach;
};

TEST(Arrange, WhoStaysKeepsTheIndexAndTheLastMovesIntoAHole) {
  const auto list = [](const std::string& names) {
    std::vector<Backend> made;
    for (const char name : names)
      made.push_back({IpAddress::parse(fmt::format("10.0.0.{}", static_cast<int>(name))).value(), 80, false});
    return made;
  };
  const struct {
    const char *before, *wanted, *now;
  } cases[] = {{"", "abc", "abc"},      {"abc", "abc", "abc"}, {"abc", "abx", "abx"}, {"abc", "bcx", "xbc"},
               {"abc", "bc", "cb"},     {"abc", "ac", "ac"},   {"abc", "ab", "ab"},   {"abc", "", ""},
               {"cab", "abcd", "cabd"}, {"abcd", "d", "d"},    {"abcd", "bdx", "xbd"}};
  for (const auto& c : cases)
    EXPECT_EQ(arrange(list(c.before), list(c.wanted)), list(c.now)) << c.before << c.wanted;
}

TEST(NftProgram, OneEndpointReplacedIsOneElementAndARemovedOneMovesTheLast) {
  Table table;
  const auto made = service("a", "10.96.0.1");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1", "10.244.1.2"})}), "");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.2", "10.244.1.9"})}), "");
  EXPECT_EQ(table.text,
            "delete element ip keelson-proxy eps { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.1 . 8080 }\n"
            "add element ip keelson-proxy eps { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.9 . 8080 }\n");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.2"})}), "");
  EXPECT_EQ(
      table.text,
      "delete element ip keelson-proxy svc { 10.96.0.1 . tcp . 80 : goto n2 }\n"
      "delete element ip keelson-proxy eps { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.9 . 8080, 10.96.0.1 . tcp . "
      "80 . 1 : 10.244.1.2 . 8080 }\n"
      "add element ip keelson-proxy svc { 10.96.0.1 . tcp . 80 : goto n1 }\n"
      "add element ip keelson-proxy eps { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.2 . 8080 }\n");
}

TEST(NftProgram, ARestartTouchesNothingThatIsRightWhateverItsOrder) {
  Table table;
  const auto made = service("a", "10.96.0.1");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.5", "10.244.1.6"})}), "");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1", "10.244.1.6"})}), "");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1", "10.244.1.6", "10.244.1.3"})}), "");
  EXPECT_EQ(table.restart(), "");
  EXPECT_EQ(table.text, "");
}

TEST(NftProgram, MoreEndpointsThanEverAddChainsAndReplaceNothing) {
  Table table;
  const auto made = service("a", "10.96.0.1");
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1"})}), "");
  EXPECT_FALSE(table.kernel.held().chains.count("n3"));
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1", "10.244.1.2", "10.244.1.3"})}), "");
  EXPECT_TRUE(table.kernel.held().chains.count("np-out-u4"));
  EXPECT_EQ(table.text.find("delete table"), std::string::npos);
}

TEST(NftProgram, AffinityChangesOnlyItsOwnChains) {
  Table table;
  auto made = service("a", "10.96.0.1");
  made->spec.session_affinity = "ClientIP";
  const auto plain = service("b", "10.96.0.2");
  const auto others = slice("b", {"10.244.1.1"});
  ASSERT_EQ(table.set({made, plain}, {slice("a", {"10.244.1.1", "10.244.1.2"}), others}), "");
  const size_t before = table.kernel.held().chains.size();
  ASSERT_EQ(table.set({made, plain}, {slice("a", {"10.244.1.1"}), others}), "");
  EXPECT_EQ(table.kernel.held().chains.size(), before - 1);
  EXPECT_EQ(table.text.find("10.96.0.2"), std::string::npos) << table.text;
  ASSERT_EQ(table.set({plain}, {others}), "");
  EXPECT_EQ(table.kernel.held().sets.size(), kNftSets);
}

TEST(NftProgram, WhatTheKernelRefusedToRemoveIsRemovedNextTime) {
  Table table;
  auto made = service("a", "10.96.0.1");
  made->spec.session_affinity = "ClientIP";
  ASSERT_EQ(table.set({made}, {slice("a", {"10.244.1.1"})}), "");
  auto changes = table.map.apply({{}, {}, {{"default/a", nullptr}}, {}, {}});
  const auto steps = table.program->change(changes);
  for (const auto& batch : steps.commits) ASSERT_EQ(table.kernel.commit(batch), "");
  table.program->keepShrink();
  EXPECT_EQ(nft::renderBatch(table.program->change({}).shrink), nft::renderBatch(steps.shrink));
  table.program->keepShrink();
  // It comes back before that: its chains are used again as they are.
  ASSERT_EQ(table.change({{}, {}, {{"default/a", made}}, {}, {}}), "") << table.text;
  EXPECT_EQ(table.text.find("delete chain"), std::string::npos) << table.text;
}

TEST(NftProgram, PiecesHaveWholeDoorsSoThatAWorkingServiceWorksAfterEach) {
  Table table(IpFamily::kV4, settings(10));
  std::vector<ServicePtr> services;
  std::vector<SlicePtr> old, fresh;
  for (int i = 1; i <= 20; ++i) {
    const std::string name = "s" + std::to_string(i);
    services.push_back(service(name, "10.96.0." + std::to_string(i)));
    old.push_back(slice(name, {"10.244.1.1", "10.244.1.2"}));
    fresh.push_back(slice(name, {"10.244.1.3", "10.244.1.4", "10.244.1.5"}));
  }
  ASSERT_EQ(table.set(services, old), "");
  EXPECT_GT(table.commits, 4U);
  // A new life with other endpoints.
  ObjectChanges changes;
  changes.all_slices = fresh;
  table.map.apply(std::move(changes));
  table.afterEach = [&] {
    for (int i = 1; i <= 20; ++i) {
      const auto met = Tracer(table.kernel.held())
                           .trace({IpAddress::parse("10.244.0.9").value(),
                                   IpAddress::parse("10.96.0." + std::to_string(i)).value()});
      const std::set<std::string> before{"10.244.1.1:8080", "10.244.1.2:8080"},
          after{"10.244.1.3:8080", "10.244.1.4:8080", "10.244.1.5:8080"};
      EXPECT_TRUE(met == before || met == after) << i;
    }
  };
  ASSERT_EQ(table.restart(), "");
  EXPECT_GT(table.commits, 4U);
}

class Lives : public testing::TestWithParam<unsigned> {};

// State after increments == state from nothing == the model, at each step.
TEST_P(Lives, OfServicesEndAsTheModelSays) {
  const unsigned seed = GetParam();
  const bool v6 = seed % 4 == 3;
  RandomLife life(seed, v6);
  NftSettings use = settings(seed % 2 == 0 ? 7 : 20'000);
  Table table(v6 ? IpFamily::kV6 : IpFamily::kV4, use);
  ASSERT_EQ(table.set({}, {}), "");
  const auto packets = life.packets();
  for (int step = 0; step < 40; ++step) {
    auto changes = life.step();
    ASSERT_EQ(table.change(changes), "") << "step " << step << "\n" << table.text;
    std::vector<ServicePtr> services;
    std::vector<SlicePtr> slices;
    for (const auto& [name, one] : life.objects.services) services.push_back(one);
    for (const auto& [name, one] : life.objects.slices) slices.push_back(one);
    ASSERT_EQ(describe({table.map.doors(), {}, {}}),
              describe({resolveDoors(services, slices, kNode).doors, {}, {}}));
    const Model model(life.objects, use.cluster_cidrs);
    Tracer tracer(table.kernel.held());
    for (const auto& packet : packets)
      ASSERT_EQ(tracer.trace(packet), model.meets(packet))
          << "step " << step << ": " << packet.source.str() << " to " << packet.destination.str() << ":"
          << packet.port << "/" << int{packet.protocol} << "\n"
          << table.text;
    if (step % 8 != 7) continue;
    ASSERT_EQ(table.restart(), "");
    ASSERT_EQ(table.text, "") << "step " << step;
    Table fresh(table.family, use);
    fresh.use.chains = table.use.chains;
    ASSERT_EQ(fresh.set(services, slices), "");
    ASSERT_EQ(fresh.kernel.held().sets.at("svc").elements.size(),
              table.kernel.held().sets.at("svc").elements.size());
    for (const auto& [name, set] : fresh.kernel.held().sets) {
      std::set<std::string> here, there;
      for (const auto& [key, element] : set.elements) here.insert(key);
      for (const auto& [key, element] : table.kernel.held().sets.at(name).elements) there.insert(key);
      ASSERT_EQ(here, there) << name;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Random, Lives, testing::Range(0U, 40U));

}  // namespace
}  // namespace keelson::proxy
