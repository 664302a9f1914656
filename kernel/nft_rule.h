// nftables rules as typed values: from them both nft's own text and the kernel's bytes are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

// A nested namespace, since nft's words (table, set, match) are too general for keelson::kernel.
namespace keelson::kernel::nft {

// The two families in use; `inet` is left out because typeof maps do not list there with nft 1.0.6.
enum class Family : uint8_t { kIp = 2, kIp6 = 10 };  // NFPROTO_IPV4, NFPROTO_IPV6

constexpr uint8_t kTcp = 6, kUdp = 17, kSctp = 132;  // IP protocol numbers

// The types a field of a key may have (nft's own names and numbers).
enum class Datatype : uint8_t {
  kInteger = 4,  // 32 bits, the host's byte order; only listed in typeof sets (numgen, jhash)
  kIpv4Addr = 7,
  kIpv6Addr = 8,
  kInetProto = 12,
  kInetService = 13,
  kMark = 19,
  kIfname = 41,
};

// ---- what a rule looks at ----

enum class Payload : uint8_t { kIpSaddr, kIpDaddr, kIp6Saddr, kIp6Daddr, kThSport, kThDport };
enum class Meta : uint8_t { kL4proto, kMark, kIifname, kOifname };
enum class Ct : uint8_t { kState, kStatus };
enum class Fib : uint8_t { kSaddrType, kDaddrType };
struct Numgen {  // "numgen random mod N"
  uint32_t modulus = 1;
  bool operator==(const Numgen&) const = default;
};
struct Jhash {  // "jhash a . b mod N", seeded by the kernel
  std::vector<Payload> over;
  uint32_t modulus = 1;
  bool operator==(const Jhash&) const = default;
};
using Selector = std::variant<Payload, Meta, Numgen, Jhash>;
using Key = std::vector<Selector>;  // one, or several joined by " . "

enum class Compare : uint8_t { kEqual, kNotEqual };

// ---- statements, one struct for each form that nft 1.0.6 lists and loads again ----

struct AddressMatch {  // "ip daddr != 10.244.0.0/16"; a prefix of length 0 is refused when encoded
  Payload field = Payload::kIpDaddr;
  IpPrefix prefix;
  Compare compare = Compare::kEqual;
};
struct InterfaceMatch {  // "iifname "cni0""
  Meta field = Meta::kIifname;
  std::string name;
  Compare compare = Compare::kEqual;
};
struct ProtocolMatch {  // "meta l4proto tcp"; before a port use PortMatch, as nft lists them as one
  uint8_t protocol = kTcp;
  Compare compare = Compare::kEqual;
};
struct PortMatch {  // "tcp dport 80"
  uint8_t protocol = kTcp;
  Payload field = Payload::kThDport;
  uint16_t port = 0;
  Compare compare = Compare::kEqual;
};
struct LocalMatch {  // "fib daddr type local"
  Fib field = Fib::kDaddrType;
  Compare compare = Compare::kEqual;
};
// Bits of ct state and ct status (NF_CT_STATE_BIT and IPS_* of the kernel's headers).
constexpr uint32_t kCtInvalid = 1, kCtEstablished = 2, kCtRelated = 4, kCtNew = 8;
constexpr uint32_t kCtSnat = 0x10, kCtDnat = 0x20;
struct CtMatch {  // "ct state established,related", "ct status dnat": any of the bits
  Ct field = Ct::kState;
  uint32_t bits = 0;
};
struct MarkMatch {  // "meta mark & 0x00004000 != 0x00000000"
  uint32_t mask = 0;
  uint32_t value = 0;
  Compare compare = Compare::kEqual;
};
struct MarkSet {  // "meta mark set meta mark | 0x00004000": never the whole mark
  enum class Operation : uint8_t { kOr, kAnd, kXor } operation = Operation::kOr;
  uint32_t bits = 0;
};
struct SetMatch {  // "ip saddr . ip daddr @hairpin"
  Key key;
  std::string set;
  Compare compare = Compare::kEqual;
};
struct NumgenMatch {  // "numgen random mod 3 0": true for one packet of three
  uint32_t modulus = 1;
  uint32_t value = 0;
};
// "update @seen { ip saddr }": puts the key into a set with a timeout, or renews it there. Ends the rule when
// the set is full.
struct SetUpdate {
  Key key;
  std::string set;
};
struct VerdictLookup {  // "ip daddr . meta l4proto . th dport vmap @svc"
  Key key;
  std::string map;
};
enum class NatKind : uint8_t { kSnat, kDnat };
struct NatLookup {  // "dnat ip to ip daddr . ... map @eps"; the map's data is address . port
  NatKind kind = NatKind::kDnat;
  Key key;
  std::string map;
};
struct NatTo {  // "dnat to 10.0.0.1:80"; with a port the rule must match the protocol before
  NatKind kind = NatKind::kDnat;
  IpAddress address;
  std::optional<uint16_t> port;
};
struct Masquerade {
  bool fully_random = false;
};
struct Reject {
  // kTcpReset includes the match of TCP, as nft lists it.
  enum class With : uint8_t { kTcpReset, kPortUnreachable, kAdminProhibited } with = With::kPortUnreachable;
};
struct Counter {};
struct Verdict {
  enum class Kind : uint8_t { kAccept, kDrop, kReturn, kJump, kGoto } kind = Kind::kAccept;
  std::string chain;  // of kJump and kGoto
  bool operator==(const Verdict&) const = default;
};

using Statement = std::variant<AddressMatch, InterfaceMatch, ProtocolMatch, PortMatch, LocalMatch, CtMatch,
                               MarkMatch, MarkSet, SetMatch, NumgenMatch, SetUpdate, VerdictLookup, NatLookup,
                               NatTo, Masquerade, Reject, Counter, Verdict>;

struct Rule {
  std::vector<Statement> statements;
};

inline Verdict accept() { return {Verdict::Kind::kAccept, {}}; }
inline Verdict drop() { return {Verdict::Kind::kDrop, {}}; }
inline Verdict ret() { return {Verdict::Kind::kReturn, {}}; }
inline Verdict jump(std::string chain) { return {Verdict::Kind::kJump, std::move(chain)}; }
inline Verdict goTo(std::string chain) { return {Verdict::Kind::kGoto, std::move(chain)}; }

// ---- properties of what is above ----

Datatype datatype(const Selector& selector);
// Bytes a value of this type has in a register or element, before padding to four.
size_t width(Datatype type);

}  // namespace keelson::kernel::nft
