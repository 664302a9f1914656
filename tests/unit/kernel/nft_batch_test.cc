#include "kernel/nft_batch.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>

#include "kernel/netlink.h"

namespace keelson::kernel::nft {
namespace {

const Table kTable{Family::kIp, "t"};

Set ports() {
  return {"ports", SetKind::kMap, fields({Datatype::kInetProto, Datatype::kInetService}),
          fields({Datatype::kIpv4Addr, Datatype::kInetService}), 0};
}
Element element(uint16_t port) {
  return {Packed().protocol(kTcp).port(port).take(),
          Packed().address(IpAddress::parse("10.0.0.1").value()).port(80).take(),
          {}};
}

std::vector<nlmsghdr> headers(const std::string& bytes) {
  std::vector<nlmsghdr> out;
  for (size_t at = 0; at < bytes.size();) {
    nlmsghdr header{};
    std::memcpy(&header, bytes.data() + at, sizeof header);
    out.push_back(header);
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return out;
}

TEST(NftBatch, IsFramedByBeginAndEndWithRisingSequenceNumbers) {
  Batch batch;
  batch.add(AddTable{kTable}).add(AddChain{kTable, {"c", {}}}).add(AddRule{kTable, "c", {{accept()}}});
  const auto encoded = encodeBatch(batch, 7, 100);
  ASSERT_TRUE(encoded.ok()) << encoded.error().text;
  const auto messages = headers(encoded->bytes);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages.front().nlmsg_type, NFNL_MSG_BATCH_BEGIN);
  EXPECT_EQ(messages.back().nlmsg_type, NFNL_MSG_BATCH_END);
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].nlmsg_seq, 100 + i);
    EXPECT_EQ((messages[i].nlmsg_flags & NLM_F_ACK) != 0, i == 3) << i;  // the last operation only
  }
}

TEST(NftBatch, TheBeginMessageCarriesTheGeneration) {
  Batch batch;
  batch.add(AddTable{kTable});
  const auto one = encodeBatch(batch, 7, 1), other = encodeBatch(batch, 8, 1);
  EXPECT_NE(one->bytes, other->bytes);
  bool found = false;
  forEachAttribute(
      *reinterpret_cast<const nlmsghdr*>(one->bytes.data()), sizeof(nfgenmsg), [&](const nlattr& attribute) {
        if (attribute.nla_type != NFNL_BATCH_GENID) return;
        found = std::memcmp(reinterpret_cast<const char*>(&attribute) + NLA_HDRLEN, "\0\0\0\7", 4) == 0;
      });
  EXPECT_TRUE(found);
}

TEST(NftBatch, ALongElementListIsCutIntoMessagesThatKnowTheirPlace) {
  std::vector<Element> elements;
  for (uint16_t port = 1; port <= 5000; ++port) elements.push_back(element(port));
  Batch batch;
  batch.add(AddTable{kTable}).add(AddElements{kTable, ports(), elements});
  const auto encoded = encodeBatch(batch, 1, 1);
  ASSERT_TRUE(encoded.ok()) << encoded.error().text;
  ASSERT_GT(encoded->origins.size(), 3u);
  EXPECT_EQ(encoded->origins[1].first_element, 0u);
  for (size_t i = 2; i < encoded->origins.size(); ++i)
    EXPECT_GT(encoded->origins[i].first_element, encoded->origins[i - 1].first_element);
  for (const auto& message : headers(encoded->bytes)) EXPECT_LT(message.nlmsg_len, 65536u);
}

TEST(NftBatch, AFailureIsDescribedByItsElement) {
  Batch batch;
  batch.add(AddElements{kTable, ports(), {element(1), element(2), element(3)}}).add(DeleteChain{kTable, "c"});
  const auto encoded = encodeBatch(batch, 1, 1);
  ASSERT_TRUE(encoded.ok());
  // The offset of the second element: found by searching its port's bytes.
  const auto* message = encoded->bytes.data() + encoded->origins[0].offset;
  size_t offset = 0;
  const std::string key = element(2).key;
  while (std::memcmp(message + offset, key.data(), key.size()) != 0) ++offset;
  EXPECT_EQ(describeFailure(batch, *encoded, 0, offset),
            "add element ip t ports { tcp . 2 : 10.0.0.1 . 80 }");
  EXPECT_EQ(
      describeFailure(batch, *encoded, 0, 0),
      "add element ip t ports { tcp . 1 : 10.0.0.1 . 80, tcp . 2 : 10.0.0.1 . 80, tcp . 3 : 10.0.0.1 . 80 }");
  EXPECT_EQ(describeFailure(batch, *encoded, 1, 20), "delete chain ip t c");
}

TEST(NftBatch, OperationsReadAsNftWouldTakeThem) {
  struct Case {
    Operation operation;
    const char* text;
  };
  std::vector<Element> many;
  for (uint16_t port = 1; port <= 9; ++port) many.push_back({Packed().port(port).take(), {}, {}});
  const Set set{"s", SetKind::kSet, fields({Datatype::kInetService}), {}, 0};
  const Case cases[] = {
      {AddTable{kTable}, "add table ip t"},
      {DeleteTable{{Family::kIp6, "t"}}, "delete table ip6 t"},
      {AddChain{kTable, {"c", {}}}, "add chain ip t c"},
      {AddChain{kTable, {"c", BaseChain{ChainType::kNat, Hook::kOutput, -100, false}}},
       "add chain ip t c { type nat hook output priority -100; policy accept; }"},
      {FlushChain{kTable, "c"}, "flush chain ip t c"},
      {AddRule{kTable, "c", {{CtMatch{Ct::kState, kCtNew}, drop()}}}, "add rule ip t c ct state new drop"},
      {DeleteRule{kTable, "c", 9}, "delete rule ip t c handle 9"},
      {AddSet{kTable, ports()},
       "add map ip t ports { type inet_proto . inet_service : ipv4_addr . inet_service; }"},
      {FlushSet{kTable, "s"}, "flush set ip t s"},
      {DeleteElements{kTable, set, many}, "delete element ip t s { 1, 2, 3, 4, ... 9 in all }"},
  };
  for (const auto& c : cases) EXPECT_EQ(renderOperation(c.operation), c.text);
}

TEST(NftBatch, KeysOfAWrongSizeAreRefusedByTheSetsName) {
  Batch batch;
  batch.add(AddElements{kTable, ports(), {{"abc", "", {}}}});
  const auto refused = encodeBatch(batch, 1, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_NE(refused.error().text.find("set ports: a key of 3 bytes, not 8"), std::string::npos)
      << refused.error().text;
}

TEST(NftText, PrioritiesAreNamedAsNftNamesThem) {
  struct Case {
    Hook hook;
    int priority;
    const char* text;
  };
  const Case cases[] = {
      {Hook::kPrerouting, -100, "dstnat"},
      {Hook::kPrerouting, -110, "dstnat - 10"},
      {Hook::kOutput, -100, "-100"},
      {Hook::kPostrouting, 100, "srcnat"},
      {Hook::kPostrouting, 95, "srcnat - 5"},
      {Hook::kInput, 100, "100"},
      {Hook::kForward, 0, "filter"},
      {Hook::kForward, 10, "filter + 10"},
      {Hook::kForward, 11, "11"},
      {Hook::kPrerouting, -300, "raw"},
      {Hook::kOutput, -150, "mangle"},
      {Hook::kInput, 50, "security"},
  };
  for (const auto& c : cases) {
    const Chain chain{"c", BaseChain{ChainType::kFilter, c.hook, c.priority, false}};
    EXPECT_NE(renderChainHead(chain).find(fmt::format("priority {};", c.text)), std::string::npos)
        << renderChainHead(chain);
  }
}

}  // namespace
}  // namespace keelson::kernel::nft
