// Between link changes and rtnetlink's bytes; only link*.cc include this.
#pragma once

#include <string>

#include "kernel/link.h"

struct rtnl_link;
struct rtnl_addr;

namespace keelson::kernel {

// One message, acknowledged, with this sequence number. Pure.
Result<std::string> encodeLinkChange(const LinkChange& change, uint32_t sequence);

// libnl's objects as values.
Link linkOf(rtnl_link* link);
std::optional<LinkAddress> addressOf(rtnl_addr* address);

}  // namespace keelson::kernel
