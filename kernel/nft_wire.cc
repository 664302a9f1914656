#include "kernel/nft_wire.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace keelson::kernel::nft {
namespace {

constexpr size_t kRegisterWords = 16;  // NFT_REG32_00 .. NFT_REG32_15
constexpr uint32_t kIcmpPortUnreachable = 3, kIcmpAdminProhibited = 13;
constexpr uint32_t kIcmp6PortUnreachable = 4, kIcmp6AdminProhibited = 1;
constexpr uint32_t kRtnLocal = 2;  // RTN_LOCAL of rtnetlink(7)

// The register that begins at 32-bit word `word`, numbered as the kernel dumps it: each fourth
// word is also a 128-bit register, and is named so.
uint32_t reg(size_t word) {
  return static_cast<uint32_t>(word % 4 == 0 ? NFT_REG_1 + word / 4 : NFT_REG32_00 + word);
}

size_t words(size_t bytes) { return (bytes + 3) / 4; }

struct FreeExpr {
  void operator()(nftnl_expr* expr) const { nftnl_expr_free(expr); }
};
using ExprPtr = std::unique_ptr<nftnl_expr, FreeExpr>;

// Appends expressions to one rule. The first error (no memory, out of registers) sticks.
class Writer {
 public:
  Writer(Family family, nftnl_rule* rule) : family_(family), rule_(rule) {}

  Result<void> take() { return std::move(failed_); }

  void operator()(const AddressMatch& match) {
    const size_t bits = match.prefix.length;
    const bool v4 = match.prefix.network.family == IpFamily::kV4;
    if (bits == 0 || v4 != (match.field == Payload::kIpSaddr || match.field == Payload::kIpDaddr))
      return fail("an address match needs a prefix of its field's family and not of length 0");
    const size_t bytes = (bits + 7) / 8;
    const bool aligned = bits % 8 == 0;
    const size_t length = aligned ? bytes : match.prefix.network.size();
    load(match.field, 0, length);
    if (!aligned) {
      std::array<uint8_t, 16> mask{}, zero{};
      for (size_t bit = 0; bit < bits; ++bit)
        mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | (0x80u >> (bit % 8)));
      bitwise(mask.data(), zero.data(), length);
    }
    compare(match.compare, match.prefix.network.bytes.data(), length);
  }
  void operator()(const InterfaceMatch& match) {
    if (match.name.empty() || match.name.size() >= IFNAMSIZ)
      return fail("an interface name has 1 to 15 bytes");
    load(match.field, 0);
    char padded[IFNAMSIZ] = {};
    std::memcpy(padded, match.name.data(), match.name.size());
    compare(match.compare, padded, sizeof padded);
  }
  void operator()(const ProtocolMatch& match) {
    load(Meta::kL4proto, 0);
    compare(match.compare, &match.protocol, 1);
  }
  void operator()(const PortMatch& match) {
    (*this)(ProtocolMatch{match.protocol, Compare::kEqual});
    load(match.field, 0, 2);
    const uint16_t port = htons(match.port);
    compare(match.compare, &port, sizeof port);
  }
  void operator()(const LocalMatch& match) {
    auto* expr = append("fib");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS,
                       match.field == Fib::kSaddrType ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, reg(0));
    compare(match.compare, &kRtnLocal, sizeof kRtnLocal);
  }
  void operator()(const CtMatch& match) {
    auto* expr = append("ct");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, match.field == Ct::kState ? NFT_CT_STATE : NFT_CT_STATUS);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg(0));
    const uint32_t zero = 0;
    bitwise(&match.bits, &zero, sizeof zero);
    compare(Compare::kNotEqual, &zero, sizeof zero);
  }
  void operator()(const MarkMatch& match) {
    load(Meta::kMark, 0);
    const uint32_t zero = 0;
    bitwise(&match.mask, &zero, sizeof zero);
    compare(match.compare, &match.value, sizeof match.value);
  }
  void operator()(const MarkSet& set) {
    using Op = MarkSet::Operation;
    load(Meta::kMark, 0);
    const uint32_t mask = set.operation == Op::kXor ? ~0u : set.operation == Op::kOr ? ~set.bits : set.bits;
    const uint32_t flip = set.operation == Op::kAnd ? 0 : set.bits;
    bitwise(&mask, &flip, sizeof mask);
    auto* expr = append("meta");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, reg(0));
  }
  void operator()(const SetMatch& match) {
    loadKey(match.key);
    auto* expr = lookup(match.set);
    if (expr && match.compare == Compare::kNotEqual)
      nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  }
  void operator()(const NumgenMatch& match) {
    load(Numgen{match.modulus}, 0);
    compare(Compare::kEqual, &match.value, sizeof match.value);
  }
  void operator()(const SetUpdate& update) {
    loadKey(update.key);
    auto* expr = append("dynset");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, reg(0));
    nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, update.set.c_str());
    nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, 0);  // the set's own, as the kernel dumps it
  }
  void operator()(const VerdictLookup& vmap) {
    loadKey(vmap.key);
    if (auto* expr = lookup(vmap.map)) nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  }
  void operator()(const NatLookup& nat) {
    loadKey(nat.key);
    if (auto* expr = lookup(nat.map)) nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, reg(0));
    translate(nat.kind, true);
  }
  void operator()(const NatTo& nat) {
    if ((nat.address.family == IpFamily::kV4) != (family_ == Family::kIp))
      return fail("nat to the other family");
    immediate(0, nat.address.bytes.data(), nat.address.size());
    if (nat.port) {
      const uint16_t port = htons(*nat.port);
      immediate(words(nat.address.size()), &port, sizeof port);
    }
    translate(nat.kind, nat.port.has_value());
  }
  void operator()(const Masquerade& masquerade) {
    auto* expr = append("masq");
    if (expr && masquerade.fully_random)
      nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
  }
  void operator()(const Reject& reject) {
    const bool reset = reject.with == Reject::With::kTcpReset;
    if (reset) (*this)(ProtocolMatch{kTcp, Compare::kEqual});
    auto* expr = append("reject");
    if (!expr) return;
    const bool admin = reject.with == Reject::With::kAdminProhibited;
    const uint32_t icmp = family_ == Family::kIp ? (admin ? kIcmpAdminProhibited : kIcmpPortUnreachable)
                                                 : (admin ? kIcmp6AdminProhibited : kIcmp6PortUnreachable);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMP_UNREACH);
    nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, static_cast<uint8_t>(reset ? 0 : icmp));
  }
  void operator()(const Counter&) { append("counter"); }
  void operator()(const Verdict& verdict) {
    auto* expr = append("immediate");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    switch (verdict.kind) {
      case Verdict::Kind::kAccept:
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
        break;
      case Verdict::Kind::kDrop:
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
        break;
      case Verdict::Kind::kReturn:
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, static_cast<uint32_t>(NFT_RETURN));
        break;
      case Verdict::Kind::kJump:
      case Verdict::Kind::kGoto:
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT,
                           static_cast<uint32_t>(verdict.kind == Verdict::Kind::kJump ? NFT_JUMP : NFT_GOTO));
        nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, verdict.chain.c_str());
        break;
    }
  }

 private:
  void fail(std::string_view why) {
    if (failed_) failed_ = makeError(Code::kInvalidArgument, "{}", why);
  }

  nftnl_expr* append(const char* name) {
    auto* expr = nftnl_expr_alloc(name);
    if (!expr) {
      fail("no memory for an expression");
      return nullptr;
    }
    nftnl_rule_add_expr(rule_, expr);  // the rule owns it now
    return expr;
  }

  // Puts the selector's value at 32-bit word `word`; a payload may be cut to its first `length` bytes.
  void load(const Selector& selector, size_t word, size_t length = 0) {
    if (word + words(width(datatype(selector))) > kRegisterWords)
      return fail("the key needs more than 64 bytes");
    if (const auto* field = std::get_if<Payload>(&selector)) return loadPayload(*field, word, length);
    if (const auto* meta = std::get_if<Meta>(&selector)) return loadMeta(*meta, word);
    if (const auto* numgen = std::get_if<Numgen>(&selector)) {
      auto* expr = append("numgen");
      if (!expr) return;
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_DREG, reg(word));
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_MODULUS, numgen->modulus);
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_OFFSET, 0);
      return;
    }
    loadHash(std::get<Jhash>(selector), word);
  }

  void loadPayload(Payload field, size_t word, size_t length) {
    struct Place {
      uint32_t base, offset, size;
    };
    static constexpr Place kPlaces[] = {
        {NFT_PAYLOAD_NETWORK_HEADER, 12, 4},  {NFT_PAYLOAD_NETWORK_HEADER, 16, 4},
        {NFT_PAYLOAD_NETWORK_HEADER, 8, 16},  {NFT_PAYLOAD_NETWORK_HEADER, 24, 16},
        {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2}, {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2},
    };
    const Place& place = kPlaces[static_cast<size_t>(field)];
    auto* expr = append("payload");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg(word));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, place.base);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, place.offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN,
                       length == 0 ? place.size : static_cast<uint32_t>(length));
  }

  void loadMeta(Meta field, size_t word) {
    static constexpr uint32_t kKeys[] = {NFT_META_L4PROTO, NFT_META_MARK, NFT_META_IIFNAME, NFT_META_OIFNAME};
    auto* expr = append("meta");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, kKeys[static_cast<size_t>(field)]);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg(word));
  }

  // The inputs go to the next 128-bit register after the key, the way nft lays them out.
  void loadHash(const Jhash& hash, size_t word) {
    const size_t first = (word / 4 + 1) * 4;
    size_t at = first;
    size_t length = 0;
    for (const Payload field : hash.over) {
      load(field, at);
      at += words(width(datatype(field)));
      length = (at - first) * 4;
    }
    auto* expr = append("hash");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_HASH_SREG, reg(first));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_HASH_DREG, reg(word));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_HASH_LEN, static_cast<uint32_t>(length));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_HASH_MODULUS, hash.modulus);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS);
  }

  void loadKey(const Key& key) {
    size_t word = 0;
    for (const auto& selector : key) {
      load(selector, word);
      word += words(width(datatype(selector)));
    }
  }

  void compare(Compare how, const void* data, size_t size) {
    auto* expr = append("cmp");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, reg(0));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, how == Compare::kEqual ? NFT_CMP_EQ : NFT_CMP_NEQ);
    nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, static_cast<uint32_t>(size));
  }

  void bitwise(const void* mask, const void* flip, size_t size) {
    auto* expr = append("bitwise");
    if (!expr) return;
    const auto length = static_cast<uint32_t>(size);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, reg(0));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, reg(0));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, length);
    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, length);
    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, flip, length);
  }

  void immediate(size_t word, const void* data, size_t size) {
    auto* expr = append("immediate");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg(word));
    nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, static_cast<uint32_t>(size));
  }

  nftnl_expr* lookup(const std::string& set) {
    auto* expr = append("lookup");
    if (!expr) return nullptr;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, reg(0));
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, 0);
    return expr;
  }

  // Address from word 0 on, port right behind it. Minimum, maximum and flags are spelled out the
  // way the kernel dumps them, so that a rule compares equal with its read-back.
  void translate(NatKind kind, bool with_port) {
    auto* expr = append("nat");
    if (!expr) return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, kind == NatKind::kDnat ? NFT_NAT_DNAT : NFT_NAT_SNAT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, static_cast<uint32_t>(family_));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, reg(0));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MAX, reg(0));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS,
                       NF_NAT_RANGE_MAP_IPS | (with_port ? NF_NAT_RANGE_PROTO_SPECIFIED : 0u));
    if (!with_port) return;
    const uint32_t port = reg(family_ == Family::kIp ? 1 : 4);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, port);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MAX, port);
  }

  Family family_;
  nftnl_rule* rule_;
  Result<void> failed_;
};

}  // namespace

Result<RulePtr> encodeRule(Family family, const Rule& rule) {
  RulePtr encoded(nftnl_rule_alloc());
  if (!encoded) return makeError(Code::kResourceExhausted, "no memory");
  nftnl_rule_set_u32(encoded.get(), NFTNL_RULE_FAMILY, static_cast<uint32_t>(family));
  Writer writer(family, encoded.get());
  for (const auto& statement : rule.statements) std::visit(writer, statement);
  TRY_CTX(writer.take(), "rule {}", renderRule(family, rule));
  return encoded;
}

std::string bytecode(const nftnl_rule* rule) {
  std::string text;
  const auto print = [](nftnl_expr* expr, void* data) {
    auto& out = *static_cast<std::string*>(data);
    const std::string name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
    char line[512] = {};
    if (name != "counter") nftnl_expr_snprintf(line, sizeof line, expr, NFTNL_OUTPUT_DEFAULT, 0);
    out += name + " " + line + "\n";
    return 0;
  };
  nftnl_expr_foreach(const_cast<nftnl_rule*>(rule), print, &text);
  return text;
}

}  // namespace keelson::kernel::nft
