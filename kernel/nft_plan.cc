// The pure difference between a table as read and as wanted.
#include <set>

#include "kernel/nft.h"
#include "kernel/nft_wire.h"

namespace keelson::kernel::nft {
namespace {

bool sameSet(const Set& have, const Set& want) {
  return have.kind == want.kind && have.size == want.size && have.timeout == want.timeout &&
         have.key.types == want.key.types && have.data.types == want.data.types;
}

Result<bool> sameRules(Family family, const ChainState& have, const std::vector<Rule>& rules) {
  if (have.rules.size() != rules.size()) return false;
  for (size_t i = 0; i < rules.size(); ++i)
    if (have.rules[i].bytecode != TRY(ruleBytecode(family, rules[i]))) return false;
  return true;
}

// Base chains come and go only with the table: their order at a hook is the order of their birth.
bool sameForms(const TableState& have, const TableContent& want) {
  size_t bases = 0;
  for (const auto& [chain, rules] : want.chains) {
    const auto found = have.chains.find(chain.name);
    if (chain.base) ++bases;
    if (found == have.chains.end() ? chain.base.has_value() : found->second.chain != chain) return false;
  }
  for (const auto& [name, state] : have.chains)
    if (state.chain.base && bases-- == 0) return false;
  for (const auto& set : want.sets) {
    const auto found = have.sets.find(set.name);
    if (found != have.sets.end() && !sameSet(found->second.set, set)) return false;
  }
  return bases == 0;
}

// Deletes come before adds, since an element with other data must go before its key is added again.
struct ElementChange {
  std::vector<Element> remove, add;
};
ElementChange compareElements(const SetState& have, const std::vector<Element>& want) {
  ElementChange change;
  std::unordered_map<std::string_view, const Element*> wanted;
  for (const auto& element : want) wanted[element.key] = &element;
  for (const auto& [key, element] : have.elements) {
    const auto found = wanted.find(key);
    if (found == wanted.end() || !(*found->second == element)) change.remove.push_back(element);
  }
  for (const auto& element : want) {
    const auto found = have.elements.find(element.key);
    if (found == have.elements.end() || !(found->second == element)) change.add.push_back(element);
  }
  return change;
}

// What refers comes after what it refers to, and goes before it.
Result<void> planInPlace(const TableState& have, const TableContent& want, StructurePlan& plan) {
  const Table& table = want.table;
  std::set<std::string_view> chains, sets;
  for (const auto& set : want.sets) {
    sets.insert(set.name);
    if (!have.sets.count(set.name)) plan.grow.add(AddSet{table, set});
  }
  for (const auto& [chain, rules] : want.chains) {
    chains.insert(chain.name);
    if (!have.chains.count(chain.name)) plan.grow.add(AddChain{table, chain});
  }
  for (const auto& [chain, rules] : want.chains) {
    const auto found = have.chains.find(chain.name);
    if (found != have.chains.end()) {
      if (TRY(sameRules(table.family, found->second, rules))) continue;
      if (!found->second.rules.empty()) plan.grow.add(FlushChain{table, chain.name});
    }
    for (const auto& rule : rules) plan.grow.add(AddRule{table, chain.name, rule});
  }
  for (const auto& [name, state] : have.chains)
    if (!chains.count(name) && !state.rules.empty()) plan.shrink.add(FlushChain{table, name});
  for (const auto& [name, state] : have.sets)
    if (!sets.count(name)) plan.shrink.add(DeleteSet{table, name});
  for (const auto& [name, state] : have.chains)
    if (!chains.count(name)) plan.shrink.add(DeleteChain{table, name});
  return {};
}

void append(Batch& batch, Batch more) {
  for (auto& operation : more.operations) batch.add(std::move(operation));
}

}  // namespace

Result<StructurePlan> planStructure(const TableState& have, const TableContent& want) {
  StructurePlan plan;
  plan.anew = !have.exists || !sameForms(have, want);
  if (plan.anew) {
    if (have.exists) plan.grow.add(DeleteTable{want.table});
    plan.grow.addContent({want.table, want.sets, want.chains, {}});
  } else {
    TRY(planInPlace(have, want, plan));
  }
  return plan;
}

Result<Batch> planTable(const TableState& have, const TableContent& want) {
  auto structure = TRY(planStructure(have, want));
  Batch batch = std::move(structure.grow);
  static const std::vector<Element> kNone;
  static const SetState kAbsent;
  for (const auto& set : want.sets) {
    if (set.timeout) continue;
    const auto found = want.elements.find(set.name);
    const auto state = have.sets.find(set.name);
    auto change = compareElements(structure.anew || state == have.sets.end() ? kAbsent : state->second,
                                  found == want.elements.end() ? kNone : found->second);
    if (!change.remove.empty()) batch.add(DeleteElements{want.table, set, std::move(change.remove)});
    if (!change.add.empty()) batch.add(AddElements{want.table, set, std::move(change.add)});
  }
  append(batch, std::move(structure.shrink));
  return batch;
}

}  // namespace keelson::kernel::nft
