// An nftables table that refuses what the kernel refuses, and a tracer of packets through it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "kernel/nft.h"
#include "proxy/nft_rules.h"

namespace keelson::proxy::test {

namespace nft = kernel::nft;

// Applies batches to a copy and swaps on success.
class FakeTable {
 public:
  struct ChainHeld {
    nft::Chain chain;
    std::vector<nft::Rule> rules;
  };
  struct SetHeld {
    nft::Set set;
    std::map<std::string, nft::Element> elements;
  };
  struct Held {
    bool exists = false;
    std::map<std::string, ChainHeld> chains;
    std::map<std::string, SetHeld> sets;
  };

  // "" or what the kernel would refuse.
  std::string commit(const nft::Batch& batch) {
    next_ = held_;
    refusal_.clear();
    for (const auto& operation : batch.operations) {
      std::visit([&](const auto& op) { apply(op); }, operation);
      if (!refusal_.empty()) return nft::renderOperation(operation) + ": " + refusal_;
    }
    checkReferences();
    if (refusal_.empty()) held_ = std::move(next_);
    return refusal_;
  }

  const Held& held() const { return held_; }

  // What reading it back gives.
  nft::TableState read() const {
    nft::TableState state;
    state.exists = held_.exists;
    for (const auto& [name, chain] : held_.chains) {
      state.chains[name].chain = chain.chain;
      for (const auto& rule : chain.rules)
        state.chains[name].rules.push_back({0, nft::ruleBytecode(family_, rule).value()});
    }
    for (const auto& [name, set] : held_.sets) {
      state.sets[name].set = set.set;
      for (const auto& [key, element] : set.elements) state.sets[name].elements[key] = element;
    }
    return state;
  }

  explicit FakeTable(nft::Family family) : family_(family) {}

 private:
  void refuse(const std::string& why) {
    if (refusal_.empty()) refusal_ = why;
  }
  void apply(const nft::AddTable&) { next_.exists = true; }
  void apply(const nft::DeleteTable&) {
    if (!next_.exists) refuse("ENOENT");
    next_ = {};
  }
  void apply(const nft::AddChain& op) {
    if (!next_.exists) refuse("ENOENT");
    next_.chains.try_emplace(op.chain.name, ChainHeld{op.chain, {}});
  }
  void apply(const nft::DeleteChain& op) {
    if (!next_.chains.erase(op.chain)) refuse("ENOENT");
    // The kernel refuses at this very operation, not at the end.
    checkReferences();
  }
  void apply(const nft::FlushChain& op) {
    const auto found = next_.chains.find(op.chain);
    if (found == next_.chains.end()) return refuse("ENOENT");
    found->second.rules.clear();
  }
  void apply(const nft::AddRule& op) {
    const auto found = next_.chains.find(op.chain);
    if (found == next_.chains.end()) return refuse("ENOENT");
    found->second.rules.push_back(op.rule);
    checkReferences();
  }
  void apply(const nft::DeleteRule&) { refuse("by handle: not here"); }
  void apply(const nft::AddSet& op) { next_.sets.try_emplace(op.set.name, SetHeld{op.set, {}}); }
  void apply(const nft::DeleteSet& op) {
    if (!next_.sets.erase(op.set)) refuse("ENOENT");
    checkReferences();
  }
  void apply(const nft::FlushSet& op) { next_.sets[op.set].elements.clear(); }
  void apply(const nft::AddElements& op) {
    const auto found = next_.sets.find(op.set.name);
    if (found == next_.sets.end()) return refuse("ENOENT");
    for (const auto& element : op.elements) {
      const auto [place, fresh] = found->second.elements.emplace(element.key, element);
      if (!fresh && !(place->second == element)) return refuse("EEXIST");
      if (element.verdict && !element.verdict->chain.empty() && !next_.chains.count(element.verdict->chain))
        return refuse("ENOENT " + element.verdict->chain);
    }
  }
  void apply(const nft::DeleteElements& op) {
    const auto found = next_.sets.find(op.set.name);
    if (found == next_.sets.end()) return refuse("ENOENT");
    for (const auto& element : op.elements)
      if (!found->second.elements.erase(element.key)) return refuse("ENOENT");
  }

  void checkReferences() {
    const auto chain = [&](const std::string& name) {
      if (!name.empty() && !next_.chains.count(name)) refuse("EBUSY or ENOENT: chain " + name);
    };
    const auto set = [&](const std::string& name) {
      if (!next_.sets.count(name)) refuse("EBUSY or ENOENT: set " + name);
    };
    for (const auto& [name, held] : next_.chains)
      for (const auto& rule : held.rules)
        for (const auto& statement : rule.statements) {
          if (const auto* v = std::get_if<nft::Verdict>(&statement)) chain(v->chain);
          if (const auto* m = std::get_if<nft::SetMatch>(&statement)) set(m->set);
          if (const auto* u = std::get_if<nft::SetUpdate>(&statement)) set(u->set);
          if (const auto* l = std::get_if<nft::VerdictLookup>(&statement)) set(l->map);
          if (const auto* n = std::get_if<nft::NatLookup>(&statement)) set(n->map);
        }
    for (const auto& [name, held] : next_.sets)
      for (const auto& [key, element] : held.elements)
        if (element.verdict) chain(element.verdict->chain);
  }

  const nft::Family family_;
  Held held_, next_;
  std::string refusal_;
};

struct Packet {
  IpAddress source, destination;
  uint8_t protocol = nft::kTcp;
  uint16_t port = 80;
  bool source_local = false, destination_local = false;  // of the node
};

// Follows a new connection's first packet through all choices of the draws: "10.244.0.2:80", with "~" before
// when it is masqueraded; "reject", "drop", or "pass" for one that nothing here concerns.
class Tracer {
 public:
  explicit Tracer(const FakeTable::Held& table) : table_(table) {}

  std::set<std::string> trace(const Packet& packet) {
    outcomes_.clear();
    walk("prerouting", 0, {packet, false, false, {}}, {});
    return outcomes_;
  }

 private:
  struct State {
    Packet packet;
    bool marked = false, translated = false;
    std::set<std::string> chosen;  // draws that were decided "no" do not matter: each path is its own
  };
  using Return = std::vector<std::pair<std::string, size_t>>;

  std::vector<std::string> keys(const nft::Key& key, const State& state) const {
    std::vector<std::string> made{""};
    for (const auto& selector : key) {
      std::vector<std::string> values;
      if (const auto* field = std::get_if<nft::Payload>(&selector)) {
        values = {payload(*field, state)};
      } else if (std::holds_alternative<nft::Meta>(selector)) {
        values = {nft::Packed().protocol(state.packet.protocol).take()};
      } else {
        const auto* draw = std::get_if<nft::Numgen>(&selector);
        const uint32_t modulus = draw ? draw->modulus : std::get<nft::Jhash>(selector).modulus;
        for (uint32_t i = 0; i < modulus; ++i) values.push_back(nft::Packed().number(i).take());
      }
      std::vector<std::string> next;
      for (const auto& head : made)
        for (const auto& value : values) next.push_back(head + value);
      made = std::move(next);
    }
    return made;
  }

  static std::string payload(nft::Payload field, const State& state) {
    using enum nft::Payload;
    switch (field) {
      case kIpSaddr:
      case kIp6Saddr:
        return nft::Packed().address(state.packet.source).take();
      case kIpDaddr:
      case kIp6Daddr:
        return nft::Packed().address(state.packet.destination).take();
      default:
        return nft::Packed().port(state.packet.port).take();
    }
  }

  void end(State state) {
    if (!state.translated && !state.packet.port) return;
    if (state.translated) {
      // The last hook: masquerade.
      bool masquerade = state.marked;
      const auto pair = nft::Packed().address(state.packet.source).address(state.packet.destination).take();
      masquerade = masquerade || table_.sets.at("hairpin").elements.count(pair) > 0;
      outcomes_.insert(
          fmt::format("{}{}:{}", masquerade ? "~" : "", state.packet.destination.str(), state.packet.port));
      return;
    }
    const auto has = [&](const char* set, const std::string& key) {
      return table_.sets.at(set).elements.count(key) > 0;
    };
    const auto port = nft::Packed().protocol(state.packet.protocol).port(state.packet.port).take();
    const auto address = nft::Packed().address(state.packet.destination).take();
    const bool refused = has("no-endpoints", address + port) || has("cluster-ips", address) ||
                         (state.packet.destination_local && has("np-no-endpoints", port));
    outcomes_.insert(refused ? "reject" : "pass");
  }

  void walk(const std::string& chain, size_t at, State state, Return back) {
    const auto& rules = table_.chains.at(chain).rules;
    if (at == rules.size()) {
      if (back.empty()) return end(std::move(state));
      const auto [to, next] = back.back();
      back.pop_back();
      return walk(to, next, std::move(state), std::move(back));
    }
    step(chain, at, 0, std::move(state), std::move(back));
  }

  void verdict(const nft::Verdict& v, const std::string& chain, size_t at, State state, Return back) {
    using Kind = nft::Verdict::Kind;
    switch (v.kind) {
      case Kind::kAccept:
        return end(std::move(state));
      case Kind::kDrop:
        outcomes_.insert("drop");
        return;
      case Kind::kReturn:
        return walk(chain, table_.chains.at(chain).rules.size(), std::move(state), std::move(back));
      case Kind::kJump:
        back.emplace_back(chain, at + 1);
        return walk(v.chain, 0, std::move(state), std::move(back));
      case Kind::kGoto:
        return walk(v.chain, 0, std::move(state), std::move(back));
    }
  }

  void step(const std::string& chain, size_t at, size_t index, State state, Return back) {
    const auto& statements = table_.chains.at(chain).rules[at].statements;
    if (index == statements.size()) return walk(chain, at + 1, std::move(state), std::move(back));
    const auto go = [&](bool matched) {
      if (matched)
        step(chain, at, index + 1, state, back);
      else
        walk(chain, at + 1, state, back);
    };
    const auto& statement = statements[index];
    const auto equal = [](nft::Compare compare, bool same) {
      return same == (compare == nft::Compare::kEqual);
    };
    if (const auto* m = std::get_if<nft::AddressMatch>(&statement)) {
      const bool source = m->field == nft::Payload::kIpSaddr || m->field == nft::Payload::kIp6Saddr;
      return go(
          equal(m->compare, m->prefix.contains(source ? state.packet.source : state.packet.destination)));
    }
    if (const auto* m = std::get_if<nft::LocalMatch>(&statement))
      return go(equal(m->compare, m->field == nft::Fib::kSaddrType ? state.packet.source_local
                                                                   : state.packet.destination_local));
    if (const auto* m = std::get_if<nft::ProtocolMatch>(&statement))
      return go(equal(m->compare, m->protocol == state.packet.protocol));
    if (const auto* m = std::get_if<nft::MarkSet>(&statement)) {
      state.marked = m->operation == nft::MarkSet::Operation::kOr;
      return go(true);
    }
    if (const auto* m = std::get_if<nft::SetMatch>(&statement)) {
      const auto& set = table_.sets.at(m->set);
      // A client that was met before goes on with the same endpoint: any of them is possible.
      if (set.set.timeout) {
        go(true);
        return go(false);
      }
      return go(equal(m->compare, set.elements.count(keys(m->key, state).front()) > 0));
    }
    if (const auto* m = std::get_if<nft::NumgenMatch>(&statement)) {
      go(true);
      if (m->modulus > 1) go(false);
      return;
    }
    if (const auto* m = std::get_if<nft::VerdictLookup>(&statement)) {
      const auto& elements = table_.sets.at(m->map).elements;
      const auto found = elements.find(keys(m->key, state).front());
      if (found == elements.end()) return go(false);
      return verdict(*found->second.verdict, chain, at, std::move(state), std::move(back));
    }
    if (const auto* m = std::get_if<nft::NatLookup>(&statement)) {
      const auto& elements = table_.sets.at(m->map).elements;
      for (const auto& key : keys(m->key, state)) {
        const auto found = elements.find(key);
        if (found == elements.end()) {
          outcomes_.insert("no endpoint at an index");
          continue;
        }
        State next = state;
        next.translated = true;
        const auto size = next.packet.destination.size();
        std::copy_n(found->second.data.begin(), size,
                    reinterpret_cast<char*>(next.packet.destination.bytes.data()));
        next.packet.port = static_cast<uint16_t>(static_cast<uint8_t>(found->second.data[size]) << 8 |
                                                 static_cast<uint8_t>(found->second.data[size + 1]));
        end(next);
      }
      return;
    }
    if (const auto* m = std::get_if<nft::NatTo>(&statement)) {
      state.translated = true;
      state.packet.destination = m->address;
      state.packet.port = m->port.value_or(state.packet.port);
      return end(std::move(state));
    }
    if (const auto* m = std::get_if<nft::Verdict>(&statement))
      return verdict(*m, chain, at, std::move(state), std::move(back));
    if (std::holds_alternative<nft::SetUpdate>(statement)) return go(true);
    ADD_FAILURE() << "the tracer does not know " << nft::renderRule(nft::Family::kIp, {{statement}});
  }

  const FakeTable::Held& table_;
  std::set<std::string> outcomes_;
};

}  // namespace keelson::proxy::test
