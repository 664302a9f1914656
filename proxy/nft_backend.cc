#include "proxy/nft_backend.h"

#include <netinet/in.h>

#include <algorithm>

#include "kernel/conntrack.h"

namespace keelson::proxy {
namespace {

using namespace kernel::nft;

constexpr int kTries = 32;  // each lost to somebody else's commit

Table tableOf(IpFamily family, const NftSettings& settings) {
  return {family == IpFamily::kV4 ? Family::kIp : Family::kIp6, settings.table};
}

// What the kernel has after a batch of nothing but elements; nullopt if the batch has more.
std::optional<TableState> after(TableState have, const Batch& batch, uint32_t generation,
                                SyncReport& report) {
  for (const auto& operation : batch.operations) {
    if (const auto* add = std::get_if<AddElements>(&operation)) {
      auto& elements = have.sets[add->set.name].elements;
      for (const auto& element : add->elements) elements.insert_or_assign(element.key, element);
      report.elements += add->elements.size();
    } else if (const auto* gone = std::get_if<DeleteElements>(&operation)) {
      auto& elements = have.sets[gone->set.name].elements;
      for (const auto& element : gone->elements) elements.erase(element.key);
      report.elements += gone->elements.size();
    } else {
      report.structure = true;
      return std::nullopt;
    }
  }
  have.generation = generation;
  return have;
}

bool lost(const std::vector<Backend>& before, const std::vector<Backend>& now) {
  return !std::includes(now.begin(), now.end(), before.begin(), before.end());
}

}  // namespace

std::vector<DoorKey> staleUdpDoors(const Doors& before, const Doors& now) {
  std::vector<DoorKey> stale;
  static const Door kNone;
  const auto look = [&](const DoorKey& key, const Door& was, const Door& is) {
    const bool first = was.everyone.empty() && !is.everyone.empty();
    if (first || lost(was.everyone, is.everyone) || lost(was.outside, is.outside)) stale.push_back(key);
  };
  for (const auto& [key, door] : before) {
    if (key.protocol != IPPROTO_UDP) continue;
    const auto found = now.find(key);
    look(key, door, found == now.end() ? kNone : found->second);
  }
  for (const auto& [key, door] : now)
    if (key.protocol == IPPROTO_UDP && !before.count(key)) look(key, kNone, door);
  return stale;
}

Result<void> NftBackend::commit(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop) {
  const TableContent want = buildNftTable(doors, family, settings_);
  auto nft = TRY(openNft());
  for (int i = 0; i < kTries; ++i) {
    if (!have_.count(family)) have_[family] = TRY(nft->read(want.table, stop));
    TableState& have = have_[family];
    const Batch batch = TRY(planTable(have, want));
    if (batch.empty()) return {};
    const auto generation = nft->commit(batch, have.generation, stop);
    if (generation) {
      report.generations.push_back(*generation);
      auto known = after(std::move(have), batch, *generation, report);
      have_.erase(family);
      if (known) have_[family] = std::move(*known);
      return {};
    }
    have_.erase(family);
    if (!isStale(generation.error())) return generation.error();
    TRY(stop.check("nft commit"));
  }
  return makeError(Code::kUnavailable, "nft table {}: {} commits in a row met somebody else's",
                   settings_.table, kTries);
}

Result<SyncReport> NftBackend::sync(const Doors& doors, Stop& stop) {
  SyncReport report;
  for (const IpFamily family : families_) TRY_CTX(commit(family, doors, report, stop), "services");
  // Rules before flows: a flow forgotten earlier could come back under the old rules. Of an earlier life
  // nothing is known: what it left undone is done for every door.
  for (const auto& key : staleUdpDoors(done_.value_or(Doors{}), doors))
    report.forgotten_flows +=
        TRY_CTX(kernel::forgetUdpFlows(key.family, key.port, key.address, stop), "flows of {}", key.str());
  done_ = doors;
  return report;
}

Result<void> NftBackend::remove(Stop& stop) {
  auto nft = TRY(openNft());
  for (const IpFamily family : families_) {
    for (int i = 0;; ++i) {
      const auto have = TRY(nft->read(tableOf(family, settings_), stop));
      if (!have.exists) break;
      Batch batch;
      batch.add(DeleteTable{tableOf(family, settings_)});
      const auto done = nft->commit(batch, have.generation, stop);
      if (done) break;
      if (!isStale(done.error()) || i == kTries) return done.error();
    }
  }
  distrust();
  done_.reset();
  return {};
}

}  // namespace keelson::proxy
