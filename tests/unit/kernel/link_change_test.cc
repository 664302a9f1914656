#include "kernel/link_change.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <cstring>

namespace keelson::kernel {
namespace {

TEST(LinkChange, EachBecomesOneAcknowledgedMessageOfItsType) {
  struct Case {
    LinkChange change;
    uint16_t type;
    bool exclusive;
    const char* text;
  };
  const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
  const Case cases[] = {
      {CreateBridge{"cni0", {2, 0, 0, 0, 0, 1}, 1500}, RTM_NEWLINK, true, "create bridge cni0"},
      {CreateVeth{"eth0", 2, {2, 0, 0, 0, 0, 2}, 1500, "veth1", 0}, RTM_NEWLINK, true,
       "create veth eth0 with peer veth1"},
      {SetLinkUp{1}, RTM_NEWLINK, false, "set link 1 up"},
      {JoinBridge{"veth1", 7, "alias"}, RTM_NEWLINK, false, "add link veth1 to bridge 7"},
      {SetHairpin{8}, RTM_SETLINK, false, "set hairpin on link 8"},
      {AddAddress{{2, ip("10.0.0.2"), 24}}, RTM_NEWADDR, true, "add address 10.0.0.2/24 to link 2"},
      {AddAddress{{2, ip("fd00::2"), 64}}, RTM_NEWADDR, true, "add address fd00::2/64 to link 2"},
      {AddDefaultRoute{2, ip("10.0.0.1")}, RTM_NEWROUTE, true, "add default route by 10.0.0.1 on link 2"},
      {RemoveLink{9}, RTM_DELLINK, false, "remove link 9"},
  };
  for (const auto& c : cases) {
    const auto bytes = encodeLinkChange(c.change, 77);
    ASSERT_TRUE(bytes.ok()) << bytes.error().text;
    nlmsghdr header{};
    std::memcpy(&header, bytes->data(), sizeof header);
    EXPECT_EQ(header.nlmsg_type, c.type) << c.text;
    EXPECT_EQ(header.nlmsg_seq, 77u);
    EXPECT_EQ(header.nlmsg_flags & (NLM_F_REQUEST | NLM_F_ACK), NLM_F_REQUEST | NLM_F_ACK) << c.text;
    EXPECT_EQ((header.nlmsg_flags & NLM_F_EXCL) != 0, c.exclusive) << c.text;
    EXPECT_EQ(bytes->size(), NLMSG_ALIGN(header.nlmsg_len));
    EXPECT_EQ(renderLinkChange(c.change), c.text);
  }
}

}  // namespace
}  // namespace keelson::kernel
