#include "kernel/nft_batch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/netlink.h"
#include "kernel/nft_wire.h"

namespace keelson::kernel::nft {
namespace {

constexpr size_t kScratch = size_t{64} << 10;       // one message; an attribute's length has 16 bits
constexpr size_t kElementBytes = size_t{32} << 10;  // element lists are cut into messages of about this
constexpr size_t kMaxElement = 512;                 // key, data and headers of one element
constexpr size_t kShownElements = 4;                // in the text of an operation

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::string tableText(const Table& table) {
  return fmt::format("{} {}", familyName(table.family), table.name);
}

std::string elementsText(std::string_view verb, const Table& table, const Set& set,
                         const std::vector<Element>& elements) {
  std::string text = fmt::format("{} element {} {} {{ ", verb, tableText(table), set.name);
  for (size_t i = 0; i < elements.size() && i < kShownElements; ++i)
    text += (i == 0 ? "" : ", ") + renderElement(set, elements[i]);
  if (elements.size() > kShownElements) text += fmt::format(", ... {} in all", elements.size());
  return text + " }";
}

struct FreeTable {
  void operator()(nftnl_table* table) const { nftnl_table_free(table); }
};
struct FreeChain {
  void operator()(nftnl_chain* chain) const { nftnl_chain_free(chain); }
};

// Appends messages to the batch. Scratch is where libnftnl builds one before it is copied.
class Encoder {
 public:
  Encoder(EncodedBatch& out, uint32_t first_sequence) : out_(out), sequence_(first_sequence) {}

  void begin(uint32_t generation) {
    auto* header = nftnl_batch_begin(scratch_.data(), sequence_++);
    mnl_attr_put_u32(header, NFNL_BATCH_GENID, htonl(generation));
    append(header);
  }
  void end() { append(nftnl_batch_end(scratch_.data(), sequence_++)); }

  void atOperation(size_t index) { operation_ = index; }
  // The last message before end() asks for an acknowledgement: only then is success seen (NLM_F_ACK
  // on the end message itself is honoured since Linux 6.10 only).
  void acknowledgeLast() {
    if (out_.origins.empty()) return;
    auto* header = reinterpret_cast<nlmsghdr*>(out_.bytes.data() + out_.origins.back().offset);
    header->nlmsg_flags |= NLM_F_ACK;
  }

  Result<void> operator()(const AddTable& op) { return table(NFT_MSG_NEWTABLE, op.table, NLM_F_CREATE); }
  Result<void> operator()(const DeleteTable& op) { return table(NFT_MSG_DELTABLE, op.table, 0); }
  Result<void> operator()(const AddChain& op) {
    return chain(NFT_MSG_NEWCHAIN, op.table, op.chain, NLM_F_CREATE);
  }
  Result<void> operator()(const DeleteChain& op) {
    return chain(NFT_MSG_DELCHAIN, op.table, Chain{op.chain, {}}, 0);
  }
  Result<void> operator()(const FlushChain& op) {
    RulePtr all(nftnl_rule_alloc());
    return rule(NFT_MSG_DELRULE, op.table, op.chain, all.get(), 0);
  }
  Result<void> operator()(const AddRule& op) {
    const auto encoded = TRY(encodeRule(op.table.family, op.rule));
    return rule(NFT_MSG_NEWRULE, op.table, op.chain, encoded.get(), NLM_F_CREATE | NLM_F_APPEND);
  }
  Result<void> operator()(const DeleteRule& op) {
    RulePtr one(nftnl_rule_alloc());
    if (one) nftnl_rule_set_u64(one.get(), NFTNL_RULE_HANDLE, op.handle);
    return rule(NFT_MSG_DELRULE, op.table, op.chain, one.get(), 0);
  }
  Result<void> operator()(const AddSet& op) {
    const auto encoded = TRY(encodeSet(op.table, op.set, static_cast<uint32_t>(operation_ + 1)));
    auto* header = start(NFT_MSG_NEWSET, op.table, NLM_F_CREATE);
    nftnl_set_nlmsg_build_payload(header, encoded.get());
    append(header);
    return {};
  }
  Result<void> operator()(const DeleteSet& op) {
    auto* header = start(NFT_MSG_DELSET, op.table, 0);
    mnl_attr_put_strz(header, NFTA_SET_TABLE, op.table.name.c_str());
    mnl_attr_put_strz(header, NFTA_SET_NAME, op.set.c_str());
    append(header);
    return {};
  }
  Result<void> operator()(const FlushSet& op) {
    auto* header = start(NFT_MSG_DELSETELEM, op.table, 0);
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, op.table.name.c_str());
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, op.set.c_str());
    append(header);
    return {};
  }
  Result<void> operator()(const AddElements& op) {
    return elements(NFT_MSG_NEWSETELEM, op.table, op.set, op.elements, NLM_F_CREATE);
  }
  Result<void> operator()(const DeleteElements& op) {
    return elements(NFT_MSG_DELSETELEM, op.table, op.set, op.elements, 0);
  }

 private:
  nlmsghdr* start(uint16_t type, const Table& table, uint16_t flags) {
    return nftnl_nlmsg_build_hdr(scratch_.data(), type, static_cast<uint16_t>(table.family), flags,
                                 sequence_++);
  }

  void append(const nlmsghdr* header, size_t first_element = 0) {
    const uint16_t type = header->nlmsg_type;
    if (type != NFNL_MSG_BATCH_BEGIN && type != NFNL_MSG_BATCH_END)
      out_.origins.push_back({operation_, first_element, out_.bytes.size()});
    out_.bytes.append(reinterpret_cast<const char*>(header), MNL_ALIGN(header->nlmsg_len));
  }

  Result<void> table(uint16_t type, const Table& table, uint16_t flags) {
    std::unique_ptr<nftnl_table, FreeTable> out(nftnl_table_alloc());
    if (!out) return makeError(Code::kResourceExhausted, "no memory");
    nftnl_table_set_str(out.get(), NFTNL_TABLE_NAME, table.name.c_str());
    auto* header = start(type, table, flags);
    nftnl_table_nlmsg_build_payload(header, out.get());
    append(header);
    return {};
  }

  Result<void> chain(uint16_t type, const Table& table, const Chain& chain, uint16_t flags) {
    std::unique_ptr<nftnl_chain, FreeChain> out(nftnl_chain_alloc());
    if (!out) return makeError(Code::kResourceExhausted, "no memory");
    nftnl_chain_set_str(out.get(), NFTNL_CHAIN_TABLE, table.name.c_str());
    nftnl_chain_set_str(out.get(), NFTNL_CHAIN_NAME, chain.name.c_str());
    if (chain.base) {
      nftnl_chain_set_str(out.get(), NFTNL_CHAIN_TYPE,
                          chain.base->type == ChainType::kNat ? "nat" : "filter");
      nftnl_chain_set_u32(out.get(), NFTNL_CHAIN_HOOKNUM, static_cast<uint32_t>(chain.base->hook));
      nftnl_chain_set_s32(out.get(), NFTNL_CHAIN_PRIO, chain.base->priority);
      nftnl_chain_set_u32(out.get(), NFTNL_CHAIN_POLICY,
                          chain.base->policy_drop ? 0 : 1);  // NF_DROP, NF_ACCEPT
    }
    auto* header = start(type, table, flags);
    nftnl_chain_nlmsg_build_payload(header, out.get());
    append(header);
    return {};
  }

  Result<void> rule(uint16_t type, const Table& table, const std::string& chain, nftnl_rule* rule,
                    uint16_t flags) {
    if (!rule) return makeError(Code::kResourceExhausted, "no memory");
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table.name.c_str());
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain.c_str());
    auto* header = start(type, table, flags);
    nftnl_rule_nlmsg_build_payload(header, rule);
    append(header);
    return {};
  }

  // Written attribute by attribute, as libnftnl's objects cost more than the kernel's own work here:
  // a node's services are tens of thousands of elements.
  Result<void> elements(uint16_t type, const Table& table, const Set& set, const std::vector<Element>& list,
                        uint16_t flags) {
    const size_t key_size = packedSize(set.key);
    const size_t data_size = set.kind == SetKind::kMap ? packedSize(set.data) : 0;
    for (size_t next = 0; next < list.size();) {
      const size_t first = next;
      auto* header = start(type, table, flags);
      mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, table.name.c_str());
      mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, set.name.c_str());
      auto* nest = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
      while (next < list.size() && header->nlmsg_len < kElementBytes) {
        const Element& element = list[next];
        if (element.key.size() < key_size || element.key.size() > kMaxElement / 2)
          return makeError(Code::kInvalidArgument, "set {}: a key of {} bytes, not {}", set.name,
                           element.key.size(), key_size);
        if (type == NFT_MSG_NEWSETELEM &&
            (element.data.size() < data_size || element.data.size() > kMaxElement / 4))
          return makeError(Code::kInvalidArgument, "set {}: data of {} bytes, not {}", set.name,
                           element.data.size(), data_size);
        element_(header, set, element, key_size, data_size, type == NFT_MSG_NEWSETELEM);
        ++next;
      }
      mnl_attr_nest_end(header, nest);
      append(header, first);
    }
    return {};
  }

  static void element_(nlmsghdr* header, const Set& set, const Element& element, size_t key_size,
                       size_t data_size, bool with_data) {
    auto* one = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
    auto* key = mnl_attr_nest_start(header, NFTA_SET_ELEM_KEY);
    mnl_attr_put(header, NFTA_DATA_VALUE, key_size, element.key.data());
    mnl_attr_nest_end(header, key);
    if (with_data && set.kind == SetKind::kMap) {
      auto* data = mnl_attr_nest_start(header, NFTA_SET_ELEM_DATA);
      mnl_attr_put(header, NFTA_DATA_VALUE, data_size, element.data.data());
      mnl_attr_nest_end(header, data);
    }
    if (with_data && set.kind == SetKind::kVerdictMap && element.verdict) {
      auto* data = mnl_attr_nest_start(header, NFTA_SET_ELEM_DATA);
      auto* verdict = mnl_attr_nest_start(header, NFTA_DATA_VERDICT);
      mnl_attr_put_u32(header, NFTA_VERDICT_CODE, htonl(code(element.verdict->kind)));
      if (!element.verdict->chain.empty())
        mnl_attr_put_strz(header, NFTA_VERDICT_CHAIN,
                          element.verdict->chain.substr(0, kMaxElement / 4).c_str());
      mnl_attr_nest_end(header, verdict);
      mnl_attr_nest_end(header, data);
    }
    mnl_attr_nest_end(header, one);
  }

  static uint32_t code(Verdict::Kind kind) {
    switch (kind) {
      case Verdict::Kind::kAccept:
        return 1;  // NF_ACCEPT
      case Verdict::Kind::kDrop:
        return 0;  // NF_DROP
      case Verdict::Kind::kReturn:
        return static_cast<uint32_t>(NFT_RETURN);
      case Verdict::Kind::kJump:
        return static_cast<uint32_t>(NFT_JUMP);
      case Verdict::Kind::kGoto:
        return static_cast<uint32_t>(NFT_GOTO);
    }
    return 0;
  }

  EncodedBatch& out_;
  uint32_t sequence_;
  size_t operation_ = 0;
  std::vector<char> scratch_ = std::vector<char>(kScratch);
};

// The index, in the message's element list, of the element that `offset` points into.
size_t elementAt(const nlmsghdr& message, size_t offset) {
  size_t index = 0;
  const auto* base = reinterpret_cast<const char*>(&message);
  forEachAttribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    if (mnl_attr_get_type(&attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) return;
    forEachNested(attribute, [&](const nlattr& one) {
      const auto end =
          static_cast<size_t>(reinterpret_cast<const char*>(&one) - base) + NLA_ALIGN(one.nla_len);
      if (end <= offset) ++index;
    });
  });
  return index;
}

}  // namespace

Batch& Batch::addContent(const TableContent& content) {
  const Table& table = content.table;
  add(AddTable{table});
  for (const auto& set : content.sets) add(AddSet{table, set});
  for (const auto& [chain, rules] : content.chains) add(AddChain{table, chain});
  for (const auto& [chain, rules] : content.chains)
    for (const auto& rule : rules) add(AddRule{table, chain.name, rule});
  for (const auto& set : content.sets) {
    const auto found = content.elements.find(set.name);
    if (found != content.elements.end() && !found->second.empty())
      add(AddElements{table, set, found->second});
  }
  return *this;
}

std::string renderOperation(const Operation& operation) {
  return std::visit(
      Overloaded{
          [](const AddTable& op) { return "add table " + tableText(op.table); },
          [](const DeleteTable& op) { return "delete table " + tableText(op.table); },
          [](const AddChain& op) {
            const auto head = renderChainHead(op.chain);
            return fmt::format("add chain {} {}{}", tableText(op.table), op.chain.name,
                               head.empty() ? "" : fmt::format(" {{ {} }}", head));
          },
          [](const DeleteChain& op) {
            return fmt::format("delete chain {} {}", tableText(op.table), op.chain);
          },
          [](const FlushChain& op) {
            return fmt::format("flush chain {} {}", tableText(op.table), op.chain);
          },
          [](const AddRule& op) {
            return fmt::format("add rule {} {} {}", tableText(op.table), op.chain,
                               renderRule(op.table.family, op.rule));
          },
          [](const DeleteRule& op) {
            return fmt::format("delete rule {} {} handle {}", tableText(op.table), op.chain, op.handle);
          },
          [](const AddSet& op) {
            return fmt::format("add {} {} {} {{ {};{} }}", op.set.kind == SetKind::kSet ? "set" : "map",
                               tableText(op.table), op.set.name, renderSetHead(op.set),
                               op.set.timeout ? " flags dynamic,timeout;" : "");
          },
          [](const DeleteSet& op) { return fmt::format("delete set {} {}", tableText(op.table), op.set); },
          [](const FlushSet& op) { return fmt::format("flush set {} {}", tableText(op.table), op.set); },
          [](const AddElements& op) { return elementsText("add", op.table, op.set, op.elements); },
          [](const DeleteElements& op) { return elementsText("delete", op.table, op.set, op.elements); },
      },
      operation);
}

std::string renderBatch(const Batch& batch) {
  std::string text;
  for (const auto& operation : batch.operations) text += renderOperation(operation) + "\n";
  return text;
}

Result<EncodedBatch> encodeBatch(const Batch& batch, uint32_t generation, uint32_t first_sequence) {
  EncodedBatch encoded;
  encoded.first_sequence = first_sequence;
  Encoder encoder(encoded, first_sequence);
  encoder.begin(generation);
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    encoder.atOperation(i);
    auto done = std::visit(encoder, batch.operations[i]);
    if (!done) return std::move(done).error().withContext(renderOperation(batch.operations[i]));
  }
  encoder.acknowledgeLast();
  encoder.end();
  return encoded;
}

std::string describeFailure(const Batch& batch, const EncodedBatch& encoded, size_t message,
                            size_t attribute_offset) {
  const Origin& origin = encoded.origins[message];
  const Operation& operation = batch.operations[origin.operation];
  const auto one = [&](std::string_view verb, const auto& op) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(encoded.bytes.data() + origin.offset);
    const size_t index = origin.first_element + elementAt(*header, attribute_offset);
    if (attribute_offset == 0 || index >= op.elements.size()) return renderOperation(operation);
    return elementsText(verb, op.table, op.set, {op.elements[index]});
  };
  if (const auto* add = std::get_if<AddElements>(&operation)) return one("add", *add);
  if (const auto* remove = std::get_if<DeleteElements>(&operation)) return one("delete", *remove);
  return renderOperation(operation);
}

Result<std::string> ruleBytecode(Family family, const Rule& rule) {
  const auto encoded = TRY(encodeRule(family, rule));
  return bytecode(encoded.get());
}

}  // namespace keelson::kernel::nft
