// What a table holds: chains, sets, maps and their elements, as values.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/nft_rule.h"

namespace keelson::kernel::nft {

struct Table {
  Family family = Family::kIp;
  std::string name;
  auto operator<=>(const Table&) const = default;
};

enum class Hook : uint8_t { kPrerouting = 0, kInput = 1, kForward = 2, kOutput = 3, kPostrouting = 4 };
enum class ChainType : uint8_t { kFilter, kNat };

constexpr int kPriorityRaw = -300, kPriorityDstnat = -100, kPriorityFilter = 0, kPrioritySrcnat = 100;

struct BaseChain {
  ChainType type = ChainType::kFilter;
  Hook hook = Hook::kPrerouting;
  int priority = 0;
  bool policy_drop = false;
  bool operator==(const BaseChain&) const = default;
};

struct Chain {
  std::string name;
  std::optional<BaseChain> base;  // absent: a regular chain
  bool operator==(const Chain&) const = default;
};

// The type of a key or of a map's data: one field, or several concatenated. `origin` is filled for
// what nft must list with typeof (numgen and jhash have no name of their own as a type).
struct Fields {
  std::vector<Datatype> types;
  Key origin;
};
Fields fields(std::vector<Datatype> types);
Fields fieldsOf(const Key& origin);

enum class SetKind : uint8_t { kSet, kMap, kVerdictMap };

struct Set {
  std::string name;
  SetKind kind = SetKind::kSet;
  Fields key;
  Fields data;        // of kMap
  uint32_t size = 0;  // 0: unlimited
  // Present: filled by rules (SetUpdate), which is none of our business; elements leave after this time.
  std::optional<std::chrono::seconds> timeout;
};

// One element. `key` and `data` are built by Packed; `verdict` is a verdict map's data.
struct Element {
  std::string key;
  std::string data;
  std::optional<Verdict> verdict;
  bool operator==(const Element&) const = default;
};

// Builds a key or data as the kernel holds it: each field padded to four bytes.
//
//   ipv4_addr . inet_proto . inet_service . integer
//   | a b c d | p 0 0 0 | hi lo 0 0 | host order |
class Packed {
 public:
  Packed& address(const IpAddress& address);
  Packed& protocol(uint8_t protocol);
  Packed& port(uint16_t port);
  Packed& number(uint32_t number);  // mark and integer: the host's byte order
  Packed& interface(std::string_view name);
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Everything of one table as wanted: built by pure code, rendered for people, diffed with what is.
struct TableContent {
  Table table;
  std::vector<Set> sets;
  std::vector<std::pair<Chain, std::vector<Rule>>> chains;
  std::map<std::string, std::vector<Element>> elements;  // by set name
};

// ---- text, in the very form of `nft list table` ----

std::string renderSelector(const Selector& selector);
std::string renderRule(Family family, const Rule& rule);
std::string renderVerdict(const Verdict& verdict);
std::string renderElement(const Set& set, const Element& element);
std::string renderChainHead(const Chain& chain);  // "type nat hook ...; policy accept;", "" for a regular one
std::string renderSetHead(const Set& set);        // "type ipv4_addr . inet_service : verdict"
std::string renderTable(const TableContent& content);
const char* familyName(Family family);

}  // namespace keelson::kernel::nft
