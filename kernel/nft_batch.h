// A transaction on nftables as a value: the operations, their text, and their bytes.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "kernel/nft_table.h"

namespace keelson::kernel::nft {

struct AddTable {  // fine if it exists
  Table table;
};
struct DeleteTable {
  Table table;
};
struct AddChain {  // fine if it exists in the same form
  Table table;
  Chain chain;
};
struct DeleteChain {
  Table table;
  std::string chain;
};
struct FlushChain {  // removes its rules
  Table table;
  std::string chain;
};
struct AddRule {  // at the end of the chain
  Table table;
  std::string chain;
  Rule rule;
};
struct DeleteRule {
  Table table;
  std::string chain;
  uint64_t handle = 0;
};
struct AddSet {  // fine if it exists in the same form
  Table table;
  Set set;
};
struct DeleteSet {
  Table table;
  std::string set;
};
struct FlushSet {  // removes its elements
  Table table;
  std::string set;
};
// Fine if an element is there with the same data; EEXIST with other data (delete it first, in the
// same batch).
struct AddElements {
  Table table;
  Set set;
  std::vector<Element> elements;
};
struct DeleteElements {  // ENOENT if one is absent
  Table table;
  Set set;
  std::vector<Element> elements;  // only the keys count
};

using Operation = std::variant<AddTable, DeleteTable, AddChain, DeleteChain, FlushChain, AddRule, DeleteRule,
                               AddSet, DeleteSet, FlushSet, AddElements, DeleteElements>;

// Operations that the kernel does all or not at all, in this order. A plain value.
struct Batch {
  std::vector<Operation> operations;

  bool empty() const { return operations.empty(); }
  Batch& add(Operation operation) {
    operations.push_back(std::move(operation));
    return *this;
  }
  // Table, sets, chains, rules and elements of `content`, in an order in which each reference is met.
  Batch& addContent(const TableContent& content);
};

// One line an operation, as `nft` would take it (elements cut after the first few).
std::string renderBatch(const Batch& batch);
std::string renderOperation(const Operation& operation);

// ---- bytes ----

// Which operation, and for element lists which of its elements, a message of the batch came from.
struct Origin {
  size_t operation = 0;
  size_t first_element = 0;
  size_t offset = 0;  // of the message in the bytes
};

struct EncodedBatch {
  std::string bytes;            // begin, messages, end; sequence numbers from first_sequence on
  std::vector<Origin> origins;  // of each message between begin and end
  uint32_t first_sequence = 0;  // begin's
};

// The kernel then refuses the batch (ERESTART) unless `generation` is the ruleset's current one.
// Pure. kInvalidArgument names the operation that cannot be put in wire form.
Result<EncodedBatch> encodeBatch(const Batch& batch, uint32_t generation, uint32_t first_sequence);

// The failing element (or operation) of message number `message`, as text; `attribute_offset` is what the
// kernel reported beside the error, 0 if nothing.
std::string describeFailure(const Batch& batch, const EncodedBatch& encoded, size_t message,
                            size_t attribute_offset);

// The rule as the kernel's expressions, one line each, without counts: what a rule just sent and the
// same rule read back have in common.
Result<std::string> ruleBytecode(Family family, const Rule& rule);

}  // namespace keelson::kernel::nft
