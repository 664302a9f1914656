#include "proxy/nft_backend.h"

#include <cerrno>

namespace keelson::proxy {
namespace {

using namespace kernel::nft;

constexpr int kTries = 32;  // each lost to somebody else's commit

}  // namespace

Result<Nft*> NftBackend::nft() {
  if (!nft_) nft_ = TRY(openNft());
  return nft_.get();
}

Result<void> NftBackend::commit(Known& known, NftSteps steps, Others others, SyncReport& report, Stop& stop) {
  if (steps.commits.empty() && steps.shrink.empty()) return {};
  Nft* nft = TRY(this->nft());
  for (const auto& batch : steps.commits) {
    auto made = nft->commit(batch, known.generation, stop);
    for (int i = 0; !made && isStale(made.error()) && others == Others::kElsewhere && i < kTries; ++i) {
      known.generation = TRY(nft->generation(stop));
      made = nft->commit(batch, known.generation, stop);
    }
    known.generation = TRY(std::move(made));
    report.generations.push_back(known.generation);
  }
  report.elements += steps.elements;
  report.structure = report.structure || steps.structure;
  if (steps.shrink.empty()) return {};
  const auto shrunk = nft->commit(steps.shrink, known.generation, stop);
  if (shrunk) {
    known.generation = *shrunk;
    report.generations.push_back(*shrunk);
  } else if (shrunk.error().sys == EBUSY || isStale(shrunk.error())) {
    known.program.keepShrink();
  } else {
    return shrunk.error();
  }
  return {};
}

Result<void> NftBackend::compare(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop) {
  report.full = true;
  Nft* nft = TRY(this->nft());
  for (int i = 0; i < kTries; ++i) {
    const auto have = TRY(nft->read(nftTable(family, settings_), stop));
    Known known{NftProgram(family, settings_), have.generation};
    auto done = commit(known, TRY(known.program.start(have, doors)), Others::kAnywhere, report, stop);
    if (done) {
      programs_.erase(family);
      programs_.emplace(family, std::move(known));
      return {};
    }
    if (!isStale(done.error())) {
      nft_.reset();  // its conversation may have broken off
      return done;
    }
    TRY(stop.check("nft commit"));
  }
  return makeError(Code::kUnavailable, "nft table {}: {} commits in a row met somebody else's",
                   settings_.table, kTries);
}

Result<SyncReport> NftBackend::sync(const Doors& doors, const std::vector<DoorChange>& changes, Stop& stop) {
  SyncReport report;
  for (const IpFamily family : families_) {
    const auto known = programs_.find(family);
    if (known != programs_.end()) {
      const auto done =
          commit(known->second, known->second.program.change(changes), Others::kElsewhere, report, stop);
      if (done) continue;
      programs_.erase(known);
      nft_.reset();
    }
    TRY_CTX(compare(family, doors, report, stop), "services");
  }
  return report;
}

Result<void> NftBackend::remove(Stop& stop) {
  Nft* nft = TRY(this->nft());
  for (const IpFamily family : families_) {
    const Table table = nftTable(family, settings_);
    for (int i = 0;; ++i) {
      const auto have = TRY(nft->read(table, stop));
      if (!have.exists) break;
      Batch batch;
      batch.add(DeleteTable{table});
      const auto done = nft->commit(batch, have.generation, stop);
      if (done) break;
      if (!isStale(done.error()) || i == kTries) return done.error();
    }
  }
  distrust();
  return {};
}

}  // namespace keelson::proxy
