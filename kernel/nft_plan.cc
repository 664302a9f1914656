// The pure difference between a table as read and as wanted.
#include "kernel/nft.h"
#include "kernel/nft_wire.h"

namespace keelson::kernel::nft {
namespace {

bool sameSet(const Set& have, const Set& want) {
  return have.kind == want.kind && have.size == want.size && have.key.types == want.key.types &&
         have.data.types == want.data.types;
}

Result<bool> sameChain(Family family, const ChainState& have, const Chain& chain,
                       const std::vector<Rule>& rules) {
  if (have.chain != chain || have.rules.size() != rules.size()) return false;
  for (size_t i = 0; i < rules.size(); ++i)
    if (have.rules[i].bytecode != TRY(ruleBytecode(family, rules[i]))) return false;
  return true;
}

Result<bool> sameStructure(const TableState& have, const TableContent& want) {
  if (have.sets.size() != want.sets.size() || have.chains.size() != want.chains.size()) return false;
  for (const auto& set : want.sets) {
    const auto found = have.sets.find(set.name);
    if (found == have.sets.end() || !sameSet(found->second.set, set)) return false;
  }
  for (const auto& [chain, rules] : want.chains) {
    const auto found = have.chains.find(chain.name);
    if (found == have.chains.end() || !TRY(sameChain(want.table.family, found->second, chain, rules)))
      return false;
  }
  return true;
}

// Deletes come before adds, since an element with other data must go before its key is added again.
void planElements(const Table& table, const SetState& have, const Set& set, const std::vector<Element>& want,
                  Batch& batch) {
  std::unordered_map<std::string_view, const Element*> wanted;
  for (const auto& element : want) wanted[element.key] = &element;
  std::vector<Element> remove, add;
  for (const auto& [key, element] : have.elements) {
    const auto found = wanted.find(key);
    if (found == wanted.end() || !(*found->second == element)) remove.push_back(element);
  }
  for (const auto& element : want) {
    const auto found = have.elements.find(element.key);
    if (found == have.elements.end() || !(found->second == element)) add.push_back(element);
  }
  if (!remove.empty()) batch.add(DeleteElements{table, set, std::move(remove)});
  if (!add.empty()) batch.add(AddElements{table, set, std::move(add)});
}

}  // namespace

Result<Batch> planTable(const TableState& have, const TableContent& want) {
  Batch batch;
  if (!have.exists) return batch.addContent(want);
  if (!TRY(sameStructure(have, want))) {
    batch.add(DeleteTable{want.table});
    return batch.addContent(want);
  }
  static const std::vector<Element> kNone;
  for (const auto& set : want.sets) {
    const auto found = want.elements.find(set.name);
    planElements(want.table, have.sets.at(set.name), set,
                 found == want.elements.end() ? kNone : found->second, batch);
  }
  return batch;
}

}  // namespace keelson::kernel::nft
