#include "cni/rules.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/fs.h"
#include "kernel/nft_batch.h"
#include "tests/paths.h"

namespace keelson::cni {
namespace {

using kernel::nft::Element;

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

NetworkPlan dualStack() {
  return {"cni0",
          "keelson-cni",
          {makeRange(prefix("10.244.0.0/24")).value(), makeRange(prefix("fd00:10:244::/64")).value()},
          {prefix("10.244.0.0/16"), prefix("10.96.0.0/12"), prefix("fd00:10:244::/48")}};
}

Records webAndDns() {
  Records records;
  records.pods[PodUid("web")] = {
      PodUid("web"),
      "default/web",
      {ip("10.244.0.2"), ip("fd00:10:244::2")},
      "vethweb",
      {{"TCP", 80, 8080, ""}, {"TCP", 443, 8443, "0.0.0.0"}, {"TCP", 81, 81, "fd00::7"}}};
  records.pods[PodUid("dns")] = {PodUid("dns"),
                                 "default/dns",
                                 {ip("10.244.0.3"), ip("fd00:10:244::3")},
                                 "vethdns",
                                 {{"UDP", 53, 5353, "127.0.0.1"}, {"SCTP", 9, 9, "::"}}};
  return records;
}

// Compares with tests/golden/nft/NAME; KEELSON_GOLDEN=write rewrites it.
void expectGolden(const std::string& name, const std::string& text) {
  const std::string path = test::sourcePath("tests/golden/nft/" + name);
  const char* mode = std::getenv("KEELSON_GOLDEN");
  if (mode && std::string(mode) == "write") {
    ASSERT_TRUE(writeFileAtomic(path, text, 0644).ok());
  }
  const auto golden = readFile(path, 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.error().text;
  EXPECT_EQ(*golden, text);
}

TEST(CniRules, TheTablesReadAsInTheGoldenFiles) {
  expectGolden("keelson_cni_ip.nft", renderTable(buildTable(dualStack(), IpFamily::kV4, webAndDns())));
  expectGolden("keelson_cni_ip6.nft", renderTable(buildTable(dualStack(), IpFamily::kV6, webAndDns())));
}

TEST(CniRules, PodsChangeElementsOnly) {
  auto with = buildTable(dualStack(), IpFamily::kV4, webAndDns());
  with.elements.clear();
  EXPECT_EQ(renderTable(with), renderTable(buildTable(dualStack(), IpFamily::kV4, {})));
}

TEST(CniRules, EveryRuleCanBeEncoded) {
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    kernel::nft::Batch batch;
    const auto encoded = encodeBatch(batch.addContent(buildTable(dualStack(), family, webAndDns())), 1, 1);
    EXPECT_TRUE(encoded.ok()) << encoded.error().text;
  }
}

TEST(CniRules, HostPortsAreReadBackFromElements) {
  const auto content = buildTable(dualStack(), IpFamily::kV4, webAndDns());
  const auto& any = content.elements.at(kAnyHostMap);
  const auto& one = content.elements.at(kOneHostMap);
  EXPECT_EQ(portsOf(any, one, {ip("10.244.0.2")}),
            (std::vector<PortMapping>{{"TCP", 80, 8080, ""}, {"TCP", 443, 8443, ""}}));
  EXPECT_EQ(portsOf(any, one, {ip("10.244.0.3")}),
            (std::vector<PortMapping>{{"UDP", 53, 5353, "127.0.0.1"}}));
  EXPECT_TRUE(portsOf(any, one, {ip("10.244.0.4")}).empty());
}

}  // namespace
}  // namespace keelson::cni
