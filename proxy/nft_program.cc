#include "proxy/nft_program.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace keelson::proxy {
namespace {

using namespace kernel::nft;

std::string rulesText(Family family, const std::vector<Rule>& rules) {
  std::string text;
  for (const auto& rule : rules) text += renderRule(family, rule) + "\n";
  return text;
}

void append(Batch& batch, Batch more) {
  for (auto& operation : more.operations) batch.add(std::move(operation));
}

std::string sharedName(NftSet set, const std::string& key) {
  return std::string(1, static_cast<char>(set)) + key;
}
NftSet sharedSet(const std::string& name) { return static_cast<NftSet>(name[0]); }

bool keyBefore(const NftElement& a, const NftElement& b) {
  return std::tie(a.first, a.second.key) < std::tie(b.first, b.second.key);
}

std::string doorPart(const DoorKey& key) {
  Packed packed;
  if (key.address) packed.address(*key.address);
  return packed.protocol(key.protocol).port(key.port).take();
}

// The chains made ahead by an earlier life: they stay, as they cost nothing and removing them would.
uint32_t chainsAhead(const TableState& have) {
  uint32_t count = 1;
  while (have.chains.count(fmt::format("n{}", count * 2))) count *= 2;
  return count;
}

// What a reading says of the elements, by door.
struct Reading {
  std::unordered_map<std::string, std::vector<NftElement>> doors;
  std::vector<std::pair<NftSet, Element>> shared;
};
Reading sortByDoor(const TableState& have, IpFamily family) {
  Reading reading;
  for (size_t i = 0; i < kNftSets; ++i) {
    const auto id = static_cast<NftSet>(i);
    const auto found = have.sets.find(nftSet(id, family).name);
    if (found == have.sets.end()) continue;
    for (const auto& [key, element] : found->second.elements) {
      if (isShared(id))
        reading.shared.emplace_back(id, element);
      else
        reading.doors[std::string(doorPart(id, family, key))].emplace_back(id, element);
    }
  }
  for (auto& [part, elements] : reading.doors) std::sort(elements.begin(), elements.end(), keyBefore);
  return reading;
}

}  // namespace

// Collects a plan's operations and cuts them into commits.
class NftProgram::Writer {
 public:
  Writer(IpFamily family, const NftSettings& settings)
      : family_(family), table_(nftTable(family, settings)), piece_(settings.piece) {}

  const Table& table() const { return table_; }
  void structure(Operation operation) {
    structure_.add(std::move(operation));
    steps_.structure = true;
  }
  void rule(Operation operation) { rules_.add(std::move(operation)); }
  void remove(NftSet set, Element element) { put(removes_, set, std::move(element)); }
  void add(NftSet set, Element element) { put(adds_, set, std::move(element)); }
  void removeLate(NftSet set, Element element) { put(late_, set, std::move(element)); }

  // Between two doors.
  void mayCut() {
    if (pending_ >= piece_ && !whole_) cut();
  }
  void keepWhole() { whole_ = true; }

  NftSteps take() {
    cut();
    return std::move(steps_);
  }

 private:
  using Lists = std::array<std::vector<Element>, kNftSets>;

  void put(Lists& lists, NftSet set, Element element) {
    lists[static_cast<size_t>(set)].push_back(std::move(element));
    ++pending_;
  }

  template <class Operation>
  void flush(Batch& batch, Lists& lists) {
    for (size_t i = 0; i < kNftSets; ++i)
      if (!lists[i].empty())
        batch.add(Operation{table_, nftSet(static_cast<NftSet>(i), family_), std::exchange(lists[i], {})});
  }

  void cut() {
    Batch batch = std::exchange(structure_, {});
    append(batch, std::exchange(rules_, {}));
    flush<DeleteElements>(batch, removes_);
    flush<AddElements>(batch, adds_);
    flush<DeleteElements>(batch, late_);
    steps_.elements += std::exchange(pending_, 0);
    if (!batch.empty()) steps_.commits.push_back(std::move(batch));
  }

  const IpFamily family_;
  const Table table_;
  const size_t piece_;
  Batch structure_, rules_;
  Lists removes_, adds_, late_;
  size_t pending_ = 0;
  bool whole_ = false;
  NftSteps steps_;
};

DoorPtr NftProgram::arranged(const DoorPtr& wanted, const NftOrder& before) const {
  auto everyone = arrange(before.everyone, wanted->everyone);
  auto outside = arrange(before.outside, wanted->outside);
  if (everyone == wanted->everyone && outside == wanted->outside) return wanted;
  auto door = std::make_shared<Door>(*wanted);
  door->everyone = std::move(everyone);
  door->outside = std::move(outside);
  return door;
}

// Without a writer the kernel is known to have, or to get, them as they are.
void NftProgram::useOwn(const NftParts& parts, Writer* writer) {
  for (const auto& set : parts.sets) {
    Own& own = own_["set " + set.name];
    own.is_set = true;
    if (own.users++ == 0 && writer) writer->structure(AddSet{writer->table(), set});
    gone_.erase(set.name + " ");
  }
  for (const auto& [chain, rules] : parts.chains) {
    Own& own = own_["chain " + chain.name];
    const bool left_over = gone_.erase(chain.name) > 0;
    std::string text = rulesText(nftTable(family_, settings_).family, rules);
    ++own.users;
    if (own.text == text) continue;
    const bool fresh = own.text.empty();
    own.text = std::move(text);
    if (!writer) continue;
    if (fresh) writer->structure(AddChain{writer->table(), chain});
    if (!fresh || left_over) writer->rule(FlushChain{writer->table(), chain.name});
    for (const auto& rule : rules) writer->rule(AddRule{writer->table(), chain.name, rule});
  }
}

void NftProgram::leaveOwn(const NftParts& parts) {
  const auto leave = [&](const std::string& name) {
    if (--own_[name].users == 0) unused_own_.push_back(name);
  };
  for (const auto& set : parts.sets) leave("set " + set.name);
  for (const auto& [chain, rules] : parts.chains) leave("chain " + chain.name);
}

// Both sorted. Elements that doors share are counted: the first brings one, the last takes it away.
void NftProgram::changeElements(const std::vector<NftElement>& before, const std::vector<NftElement>& now,
                                Writer& writer) {
  const auto gone = [&](const NftElement& element) {
    if (!isShared(element.first)) return writer.remove(element.first, element.second);
    const std::string name = sharedName(element.first, element.second.key);
    if (--shared_[name].users == 0) unused_shared_.push_back(name);
  };
  const auto come = [&](const NftElement& element) {
    if (!isShared(element.first)) return writer.add(element.first, element.second);
    Shared& shared = shared_[sharedName(element.first, element.second.key)];
    ++shared.users;
    if (!std::exchange(shared.present, true)) writer.add(element.first, element.second);
  };
  auto was = before.begin();
  for (auto is = now.begin(); was != before.end() || is != now.end();) {
    if (is == now.end() || (was != before.end() && keyBefore(*was, *is))) {
      gone(*was++);
    } else if (was == before.end() || keyBefore(*is, *was)) {
      come(*is++);
    } else {
      if (!(was->second == is->second)) {
        writer.remove(was->first, was->second);
        writer.add(is->first, is->second);
      }
      ++was, ++is;
    }
  }
}

void NftProgram::dropUnused(Writer& writer) {
  for (const auto& name : std::exchange(unused_shared_, {})) {
    const auto found = shared_.find(name);
    if (found == shared_.end() || found->second.users > 0) continue;
    if (found->second.present) writer.removeLate(sharedSet(name), {name.substr(1), {}, {}});
    shared_.erase(found);
  }
  for (const auto& name : std::exchange(unused_own_, {})) {
    const auto found = own_.find(name);
    if (found == own_.end() || found->second.users > 0) continue;
    const bool is_set = found->second.is_set;
    // A chain and its set have one name: a space tells them apart here.
    gone_[is_set ? name.substr(4) + " " : name.substr(6)] = is_set;
    own_.erase(found);
  }
}

void NftProgram::takeShrink(NftSteps& steps) {
  const Table table = nftTable(family_, settings_);
  last_gone_ = std::exchange(gone_, {});
  for (const auto& [name, is_set] : last_gone_)
    if (!is_set) steps.shrink.add(FlushChain{table, name});
  for (const auto& [name, is_set] : last_gone_)
    if (is_set) steps.shrink.add(DeleteSet{table, name.substr(0, name.size() - 1)});
  for (const auto& [name, is_set] : last_gone_)
    if (!is_set) steps.shrink.add(DeleteChain{table, name});
  if (!last_gone_.empty()) steps.structure = true;
}

NftSteps NftProgram::change(const std::vector<DoorChange>& changes) {
  Writer writer(family_, settings_);
  uint32_t chains = chains_;
  for (const auto& change : changes)
    if (change.key.family == family_ && change.after) chains = chainsFor(*change.after, chains);
  if (chains > chains_) {
    const auto known = buildNftFrame(family_, settings_, chains_);
    std::map<std::string, bool> there;
    for (const auto& [chain, rules] : known.chains) there[chain.name] = true;
    for (const auto& [chain, rules] : buildNftFrame(family_, settings_, chains).chains) {
      if (there.count(chain.name)) continue;
      writer.structure(AddChain{writer.table(), chain});
      for (const auto& rule : rules) writer.rule(AddRule{writer.table(), chain.name, rule});
    }
    chains_ = chains;
  }
  for (const auto& change : changes) {
    if (change.key.family != family_) continue;
    NftParts before, now;
    NftOrder order;
    const auto known = doors_.find(change.key);
    if (known != doors_.end()) {
      before = buildNftDoor(change.key, *known->second);
      order = {known->second->everyone, known->second->outside};
      doors_.erase(known);
    }
    if (change.after) {
      const auto& door = doors_[change.key] = arranged(change.after, order);
      now = buildNftDoor(change.key, *door);
    }
    useOwn(now, &writer);
    changeElements(before.elements, now.elements, writer);
    leaveOwn(before);
    writer.mayCut();
  }
  dropUnused(writer);
  NftSteps steps = writer.take();
  takeShrink(steps);
  return steps;
}

Result<NftSteps> NftProgram::start(const TableState& have, const Doors& doors) {
  doors_.clear();
  shared_.clear();
  own_.clear();
  gone_.clear();
  chains_ = std::max(chainsFor(doors, settings_), chainsAhead(have));
  Reading had = sortByDoor(have, family_);
  TableContent want = buildNftFrame(family_, settings_, chains_);
  std::vector<std::pair<std::string, NftParts>> wanted;
  for (const auto& [key, door] : doors) {
    if (key.family != family_) continue;
    const std::string part = doorPart(key);
    const auto before = had.doors.find(part);
    doors_[key] = arranged(door, before == had.doors.end() ? NftOrder{} : readOrder(before->second, family_));
    auto parts = buildNftDoor(key, *doors_[key]);
    for (const auto& set : parts.sets)
      if (!own_.count("set " + set.name)) want.sets.push_back(set);
    for (const auto& chain : parts.chains)
      if (!own_.count("chain " + chain.first.name)) want.chains.push_back(chain);
    useOwn(parts, nullptr);
    wanted.emplace_back(part, std::move(parts));
  }

  Writer writer(family_, settings_);
  auto structure = TRY(planStructure(have, want));
  if (structure.anew) {
    had = {};
    if (have.exists) writer.keepWhole();
  }
  const std::string node_ips = nftSet(NftSet::kNodeIps, family_).name;
  for (const auto& element : want.elements[node_ips])
    wanted.emplace_back(element.key, NftParts{{{NftSet::kNodeIps, element}}, {}, {}});
  for (auto& operation : structure.grow.operations) writer.structure(std::move(operation));
  for (const auto& [set, element] : had.shared) shared_[sharedName(set, element.key)].present = true;
  for (const auto& [part, parts] : wanted) {
    const auto before = had.doors.find(part);
    changeElements(before == had.doors.end() ? std::vector<NftElement>{} : before->second, parts.elements,
                   writer);
    if (before != had.doors.end()) had.doors.erase(before);
    writer.mayCut();
  }
  for (const auto& [part, elements] : had.doors) {
    for (const auto& [set, element] : elements) writer.remove(set, element);
    writer.mayCut();
  }
  for (const auto& [name, shared] : shared_)
    if (shared.users == 0) unused_shared_.push_back(name);
  dropUnused(writer);
  NftSteps steps = writer.take();
  steps.structure = steps.structure || !structure.shrink.empty();
  steps.shrink = std::move(structure.shrink);
  return steps;
}

}  // namespace keelson::proxy
