// The kernel's nftables: commit a batch, read a table, notice changes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kernel/netlink.h"
#include "kernel/nft_batch.h"

namespace keelson::kernel::nft {

// ---- what a table holds now ----

struct RuleState {
  uint64_t handle = 0;
  std::string bytecode;  // comparable with ruleBytecode()
};

struct ChainState {
  Chain chain;
  std::vector<RuleState> rules;  // in order
};

struct SetState {
  Set set;                                            // without typeof origin, which only nft(8) keeps
  std::unordered_map<std::string, Element> elements;  // by key; of a set that rules fill: none
};

struct TableState {
  bool exists = false;
  uint32_t generation = 0;  // of the whole ruleset, at which all of this was read
  std::map<std::string, ChainState> chains;
  std::map<std::string, SetState> sets;
};

// How the sets, chains and rules of a table become the wanted ones, elements aside: `grow` first, `shrink`
// when no element refers to what it removes. `anew`: the table is made (again), without elements.
struct StructurePlan {
  bool anew = false;
  Batch grow, shrink;
};
Result<StructurePlan> planStructure(const TableState& have, const TableContent& want);

// The batch that turns `have` into `want`, touching nothing that is right already; empty when they are the
// same. Only a base chain or a set of another form, which the kernel cannot change, replaces the whole table
// in one step. Pure. An encoding error names the rule.
Result<Batch> planTable(const TableState& have, const TableContent& want);

// True for the error of commit() when the ruleset changed since `generation`: read back and try again.
bool isStale(const Error& error);

// The nftables of one network namespace. Any thread, one at a time; a handle (opening costs some
// 20 us, so callers that need their own open one for each use).
class Nft {
 public:
  virtual ~Nft() = default;

  // The ruleset's generation: it grows by one with each commit, of anybody.
  virtual Result<uint32_t> generation(Stop& stop) = 0;

  // All or nothing, if the ruleset still has `generation`; returns the generation made by it
  // (the given one for an empty batch). The error names the operation or element that was refused: kNotFound,
  // kAlreadyExists, ...; see isStale().
  virtual Result<uint32_t> commit(const Batch& batch, uint32_t generation, Stop& stop) = 0;

  // The table at one generation, elements included. A missing table is no error. kUnavailable if
  // others change the ruleset all the time.
  virtual Result<TableState> read(const Table& table, Stop& stop) = 0;
};

Result<std::unique_ptr<Nft>> openNft(int netns = kOwnNetns);

// Hears of commits by anybody. The kernel announces each commit with everything in it; a socket
// filter lets only the last message of each through (NEWGEN), so that a batch of ten thousand elements
// does not overflow the socket. Any one thread; a handle.
class NftWatch {
 public:
  static Result<NftWatch> open(int netns = kOwnNetns);

  int fd() const { return socket_.fd(); }  // readable when something changed; non-blocking

  // The generations made since the last call, by other processes as far as that can be told (not inside a pid
  // namespace); `lost` means that there were more (look once).
  struct Changes {
    std::vector<uint32_t> generations;
    bool lost = false;
  };
  Changes drain();

 private:
  explicit NftWatch(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace keelson::kernel::nft
