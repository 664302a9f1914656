// The text side of nft_rule.h and nft_table.h: what `nft list ruleset` (1.0.6) prints for the same.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernel/nft_table.h"

namespace keelson::kernel::nft {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

const char* payloadText(Payload field) {
  switch (field) {
    case Payload::kIpSaddr:
      return "ip saddr";
    case Payload::kIpDaddr:
      return "ip daddr";
    case Payload::kIp6Saddr:
      return "ip6 saddr";
    case Payload::kIp6Daddr:
      return "ip6 daddr";
    case Payload::kThSport:
      return "th sport";
    case Payload::kThDport:
      return "th dport";
  }
  return "";
}

// The form inside a key, where nft writes the key in full.
const char* metaText(Meta field) {
  switch (field) {
    case Meta::kL4proto:
      return "meta l4proto";
    case Meta::kMark:
      return "meta mark";
    case Meta::kIifname:
      return "iifname";
    case Meta::kOifname:
      return "oifname";
  }
  return "";
}

const char* datatypeText(Datatype type) {
  switch (type) {
    case Datatype::kInteger:
      return "integer";
    case Datatype::kIpv4Addr:
      return "ipv4_addr";
    case Datatype::kIpv6Addr:
      return "ipv6_addr";
    case Datatype::kInetProto:
      return "inet_proto";
    case Datatype::kInetService:
      return "inet_service";
    case Datatype::kMark:
      return "mark";
    case Datatype::kIfname:
      return "ifname";
  }
  return "";
}

std::string protocolText(uint8_t protocol) {
  switch (protocol) {
    case 1:
      return "icmp";
    case kTcp:
      return "tcp";
    case kUdp:
      return "udp";
    case kSctp:
      return "sctp";
    default:
      return std::to_string(protocol);
  }
}

std::string_view compareText(Compare compare) { return compare == Compare::kEqual ? "" : "!= "; }

std::string keyText(const Key& key) {
  std::string text;
  for (const auto& selector : key) text += (text.empty() ? "" : " . ") + renderSelector(selector);
  return text;
}

std::string prefixText(const IpPrefix& prefix) {
  return prefix.length == prefix.network.size() * 8 ? prefix.network.str() : prefix.str();
}

std::string ctText(const CtMatch& match) {
  struct Bit {
    uint32_t bit;
    const char* name;
  };
  static constexpr Bit kStates[] = {
      {kCtInvalid, "invalid"}, {kCtEstablished, "established"}, {kCtRelated, "related"}, {kCtNew, "new"}};
  static constexpr Bit kStatus[] = {{kCtSnat, "snat"}, {kCtDnat, "dnat"}};
  std::string names;
  const auto add = [&](const Bit& bit) {
    if (match.bits & bit.bit) names += (names.empty() ? "" : ",") + std::string(bit.name);
  };
  if (match.field == Ct::kState) std::for_each(std::begin(kStates), std::end(kStates), add);
  if (match.field == Ct::kStatus) std::for_each(std::begin(kStatus), std::end(kStatus), add);
  return fmt::format("ct {} {}", match.field == Ct::kState ? "state" : "status", names);
}

std::string natToText(const NatTo& nat) {
  const char* kind = nat.kind == NatKind::kDnat ? "dnat" : "snat";
  if (!nat.port) return fmt::format("{} to {}", kind, nat.address.str());
  if (nat.address.family == IpFamily::kV6)
    return fmt::format("{} to [{}]:{}", kind, nat.address.str(), *nat.port);
  return fmt::format("{} to {}:{}", kind, nat.address.str(), *nat.port);
}

const char* rejectText(Family family, Reject::With with) {
  switch (with) {
    case Reject::With::kTcpReset:
      return "reject with tcp reset";
    case Reject::With::kPortUnreachable:
      return "reject";
    case Reject::With::kAdminProhibited:
      return family == Family::kIp ? "reject with icmp admin-prohibited"
                                   : "reject with icmpv6 admin-prohibited";
  }
  return "";
}

std::string statementText(Family family, const Statement& statement) {
  return std::visit(
      Overloaded{
          [](const AddressMatch& m) {
            return fmt::format("{} {}{}", payloadText(m.field), compareText(m.compare), prefixText(m.prefix));
          },
          [](const InterfaceMatch& m) {
            return fmt::format("{} {}\"{}\"", metaText(m.field), compareText(m.compare), m.name);
          },
          [](const ProtocolMatch& m) {
            return fmt::format("meta l4proto {}{}", compareText(m.compare), protocolText(m.protocol));
          },
          [](const PortMatch& m) {
            return fmt::format("{} {} {}{}", protocolText(m.protocol),
                               m.field == Payload::kThSport ? "sport" : "dport", compareText(m.compare),
                               m.port);
          },
          [](const LocalMatch& m) {
            return fmt::format("fib {} type {}local", m.field == Fib::kSaddrType ? "saddr" : "daddr",
                               compareText(m.compare));
          },
          [](const CtMatch& m) { return ctText(m); },
          [](const MarkMatch& m) {
            return fmt::format("meta mark & {:#010x} {} {:#010x}", m.mask,
                               m.compare == Compare::kEqual ? "==" : "!=", m.value);
          },
          [](const MarkSet& m) {
            const char op = m.operation == MarkSet::Operation::kOr    ? '|'
                            : m.operation == MarkSet::Operation::kAnd ? '&'
                                                                      : '^';
            return fmt::format("meta mark set meta mark {} {:#010x}", op, m.bits);
          },
          [](const SetMatch& m) {
            return fmt::format("{} {}@{}", keyText(m.key), compareText(m.compare), m.set);
          },
          [](const NumgenMatch& m) {
            return fmt::format("{} {}", renderSelector(Numgen{m.modulus}), m.value);
          },
          [](const SetUpdate& u) { return fmt::format("update @{} {{ {} }}", u.set, keyText(u.key)); },
          [](const VerdictLookup& l) { return fmt::format("{} vmap @{}", keyText(l.key), l.map); },
          [&](const NatLookup& l) {
            return fmt::format("{} {} to {} map @{}", l.kind == NatKind::kDnat ? "dnat" : "snat",
                               familyName(family), keyText(l.key), l.map);
          },
          [](const NatTo& n) { return natToText(n); },
          [](const Masquerade& m) {
            return std::string(m.fully_random ? "masquerade fully-random" : "masquerade");
          },
          [&](const Reject& r) { return std::string(rejectText(family, r.with)); },
          [](const Counter&) { return std::string("counter packets 0 bytes 0"); },
          [](const Verdict& v) { return renderVerdict(v); },
      },
      statement);
}

// Reads the fields of packed bytes one after the other; `at` moves on.
std::string fieldText(Datatype type, std::string_view bytes, size_t& at) {
  const size_t size = width(type);
  if (at + size > bytes.size()) return "?";
  const char* data = bytes.data() + at;
  at += (size + 3) & ~size_t{3};
  switch (type) {
    case Datatype::kIpv4Addr:
    case Datatype::kIpv6Addr: {
      IpAddress address;
      address.family = type == Datatype::kIpv4Addr ? IpFamily::kV4 : IpFamily::kV6;
      std::memcpy(address.bytes.data(), data, size);
      return address.str();
    }
    case Datatype::kInetProto:
      return protocolText(static_cast<uint8_t>(*data));
    case Datatype::kInetService: {
      uint16_t port = 0;
      std::memcpy(&port, data, sizeof port);
      return std::to_string(ntohs(port));
    }
    case Datatype::kMark:
    case Datatype::kInteger: {
      uint32_t number = 0;
      std::memcpy(&number, data, sizeof number);
      return type == Datatype::kMark ? fmt::format("{:#010x}", number) : std::to_string(number);
    }
    case Datatype::kIfname:
      return fmt::format("\"{}\"", std::string_view(data, ::strnlen(data, size)));
  }
  return "?";
}

std::string packedText(const Fields& shape, std::string_view bytes) {
  std::string text;
  size_t at = 0;
  for (const Datatype type : shape.types) text += (text.empty() ? "" : " . ") + fieldText(type, bytes, at);
  return text;
}

std::string fieldsText(const Fields& shape) {
  if (!shape.origin.empty()) return keyText(shape.origin);
  std::string text;
  for (const Datatype type : shape.types)
    text += (text.empty() ? "" : " . ") + std::string(datatypeText(type));
  return text;
}

// nft names a priority by the nearest standard one within ten, where that one is valid.
std::string priorityText(const BaseChain& base) {
  struct Named {
    int value;
    const char* name;
    std::optional<Hook> only;
  };
  static constexpr Named kNames[] = {{-300, "raw", {}},
                                     {-150, "mangle", {}},
                                     {0, "filter", {}},
                                     {50, "security", {}},
                                     {-100, "dstnat", Hook::kPrerouting},
                                     {100, "srcnat", Hook::kPostrouting}};
  for (const auto& named : kNames) {
    if (named.only && *named.only != base.hook) continue;
    const int off = base.priority - named.value;
    if (off == 0) return named.name;
    if (std::abs(off) <= 10) return fmt::format("{} {} {}", named.name, off > 0 ? '+' : '-', std::abs(off));
  }
  return std::to_string(base.priority);
}

const char* hookText(Hook hook) {
  static constexpr const char* kNames[] = {"prerouting", "input", "forward", "output", "postrouting"};
  return kNames[static_cast<size_t>(hook)];
}

// "1d2h3m4s", without what is zero.
std::string timeText(std::chrono::seconds time) {
  std::string text;
  for (const auto& [unit, name] : {std::pair{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}) {
    if (time.count() >= unit) text += fmt::format("{}{}", time.count() / unit, name);
    time %= unit;
  }
  return text;
}

std::string setText(const Set& set, const std::vector<Element>& elements) {
  std::string text = fmt::format("\t{} {} {{\n\t\t{}\n", set.kind == SetKind::kSet ? "set" : "map", set.name,
                                 renderSetHead(set));
  if (set.size != 0) text += fmt::format("\t\tsize {}\n", set.size);
  if (set.timeout) text += fmt::format("\t\tflags dynamic,timeout\n\t\ttimeout {}\n", timeText(*set.timeout));
  if (!elements.empty()) {
    auto sorted = elements;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    std::string list;
    for (const auto& element : sorted)
      list += (list.empty() ? "" : ",\n\t\t\t     ") + renderElement(set, element);
    text += "\t\telements = { " + list + " }\n";
  }
  return text + "\t}\n";
}

}  // namespace

const char* familyName(Family family) { return family == Family::kIp ? "ip" : "ip6"; }

std::string renderSelector(const Selector& selector) {
  return std::visit(Overloaded{[](Payload field) { return std::string(payloadText(field)); },
                               [](Meta field) { return std::string(metaText(field)); },
                               [](const Numgen& n) { return fmt::format("numgen random mod {}", n.modulus); },
                               [](const Jhash& h) {
                                 std::string over;
                                 for (const Payload field : h.over)
                                   over += (over.empty() ? "" : " . ") + std::string(payloadText(field));
                                 return fmt::format("jhash {} mod {}", over, h.modulus);
                               }},
                    selector);
}

std::string renderVerdict(const Verdict& verdict) {
  switch (verdict.kind) {
    case Verdict::Kind::kAccept:
      return "accept";
    case Verdict::Kind::kDrop:
      return "drop";
    case Verdict::Kind::kReturn:
      return "return";
    case Verdict::Kind::kJump:
      return "jump " + verdict.chain;
    case Verdict::Kind::kGoto:
      return "goto " + verdict.chain;
  }
  return "";
}

std::string renderRule(Family family, const Rule& rule) {
  std::string text;
  for (const auto& statement : rule.statements)
    text += (text.empty() ? "" : " ") + statementText(family, statement);
  return text;
}

std::string renderElement(const Set& set, const Element& element) {
  std::string text = packedText(set.key, element.key);
  if (set.kind == SetKind::kMap && !element.data.empty()) text += " : " + packedText(set.data, element.data);
  if (set.kind == SetKind::kVerdictMap && element.verdict) text += " : " + renderVerdict(*element.verdict);
  return text;
}

std::string renderChainHead(const Chain& chain) {
  if (!chain.base) return "";
  return fmt::format("type {} hook {} priority {}; policy {};",
                     chain.base->type == ChainType::kNat ? "nat" : "filter", hookText(chain.base->hook),
                     priorityText(*chain.base), chain.base->policy_drop ? "drop" : "accept");
}

std::string renderSetHead(const Set& set) {
  const bool by_origin = !set.key.origin.empty() || !set.data.origin.empty();
  std::string text = fmt::format("{} {}", by_origin ? "typeof" : "type", fieldsText(set.key));
  if (set.kind == SetKind::kMap) text += " : " + fieldsText(set.data);
  if (set.kind == SetKind::kVerdictMap) text += " : verdict";
  return text;
}

std::string renderTable(const TableContent& content) {
  std::string text = fmt::format("table {} {} {{\n", familyName(content.table.family), content.table.name);
  bool first = true;
  for (const auto& set : content.sets) {
    const auto found = content.elements.find(set.name);
    text += first ? "" : "\n";
    text += setText(set, found == content.elements.end() ? std::vector<Element>{} : found->second);
    first = false;
  }
  for (const auto& [chain, rules] : content.chains) {
    text += fmt::format("{}\tchain {} {{\n", first ? "" : "\n", chain.name);
    if (chain.base) text += "\t\t" + renderChainHead(chain) + "\n";
    for (const auto& rule : rules) text += "\t\t" + renderRule(content.table.family, rule) + "\n";
    text += "\t}\n";
    first = false;
  }
  return text + "}\n";
}

}  // namespace keelson::kernel::nft
