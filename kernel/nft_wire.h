// Between nft values and libnftnl's objects; only nft_*.cc include this.
#pragma once

#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include <memory>

#include "kernel/nft_table.h"

namespace keelson::kernel::nft {

struct FreeRule {
  void operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }
};
struct FreeSet {
  void operator()(nftnl_set* set) const { nftnl_set_free(set); }
};
using RulePtr = std::unique_ptr<nftnl_rule, FreeRule>;
using SetPtr = std::unique_ptr<nftnl_set, FreeSet>;

// The rule's expressions only; table and chain are set by the caller.
Result<RulePtr> encodeRule(Family family, const Rule& rule);
// Name, key, data, flags, user data (byte orders and typeof origin, as nft 1.0.6 reads them).
Result<SetPtr> encodeSet(const Table& table, const Set& set, uint32_t id);
// nftnl's print of the expressions, counters without their counts.
std::string bytecode(const nftnl_rule* rule);

// Key or data type as nft numbers a concatenation: six bits a field.
uint32_t typeNumber(const Fields& shape);
Fields fieldsOfNumber(uint32_t number);
size_t packedSize(const Fields& shape);

}  // namespace keelson::kernel::nft
