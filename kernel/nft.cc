#include "kernel/nft.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/nft_wire.h"

namespace keelson::kernel::nft {
namespace {

constexpr int kReadTries = 8;  // of one snapshot, while others commit
// The kernel grows the hash table of a set without `size` in the background, and a listing
// meanwhile misses elements. Larger sets are therefore read until two readings agree.
constexpr size_t kUnsettledElements = 512;
constexpr int kSettleTries = 50;

// A request header with room for a few name attributes.
class Request {
 public:
  Request(uint16_t type, Family family) {
    header_ = nftnl_nlmsg_build_hdr(buffer_.data(), type, static_cast<uint16_t>(family), 0, 0);
  }
  Request& name(uint16_t attribute, const std::string& value) {
    if (!mnl_attr_put_strz_check(header_, buffer_.size(), attribute, value.c_str())) overflow_ = true;
    return *this;
  }
  Result<std::string> bytes() const {
    if (overflow_) return makeError(Code::kInvalidArgument, "a name is too long");
    return std::string(reinterpret_cast<const char*>(header_), header_->nlmsg_len);
  }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* header_ = nullptr;
  bool overflow_ = false;
};

bool isMessage(const nlmsghdr& message, int type) {
  return message.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type) &&
         message.nlmsg_len >= NLMSG_LENGTH(sizeof(nfgenmsg));
}

bool isNumber(const nlattr& attribute, uint16_t type) {
  return mnl_attr_get_type(&attribute) == type && mnl_attr_get_payload_len(&attribute) == sizeof(uint32_t);
}

std::optional<uint32_t> generationOf(const nlmsghdr& message) {
  if (!isMessage(message, NFT_MSG_NEWGEN)) return {};
  std::optional<uint32_t> generation;
  forEachAttribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    if (isNumber(attribute, NFTA_GEN_ID)) generation = ntohl(mnl_attr_get_u32(&attribute));
  });
  return generation;
}

std::string bytesOf(const nlattr& attribute) {
  std::string bytes(static_cast<const char*>(mnl_attr_get_payload(&attribute)),
                    mnl_attr_get_payload_len(&attribute));
  bytes.resize((bytes.size() + 3) & ~size_t{3});  // as Packed makes them
  return bytes;
}

std::optional<Verdict> verdictOf(const nlattr& nest) {
  int32_t code = 0;
  Verdict verdict;
  forEachNested(nest, [&](const nlattr& attribute) {
    if (isNumber(attribute, NFTA_VERDICT_CODE))
      code = static_cast<int32_t>(ntohl(mnl_attr_get_u32(&attribute)));
    if (mnl_attr_get_type(&attribute) == NFTA_VERDICT_CHAIN &&
        mnl_attr_validate(&attribute, MNL_TYPE_NUL_STRING) >= 0)
      verdict.chain = mnl_attr_get_str(&attribute);
  });
  switch (code) {
    case 0:
      verdict.kind = Verdict::Kind::kDrop;
      break;
    case 1:
      verdict.kind = Verdict::Kind::kAccept;
      break;
    case NFT_RETURN:
      verdict.kind = Verdict::Kind::kReturn;
      break;
    case NFT_JUMP:
      verdict.kind = Verdict::Kind::kJump;
      break;
    case NFT_GOTO:
      verdict.kind = Verdict::Kind::kGoto;
      break;
    default:
      return {};
  }
  return verdict;
}

Element elementOf(const nlattr& nest) {
  Element element;
  forEachNested(nest, [&](const nlattr& attribute) {
    const uint16_t type = mnl_attr_get_type(&attribute);
    if (type != NFTA_SET_ELEM_KEY && type != NFTA_SET_ELEM_DATA) return;
    forEachNested(attribute, [&](const nlattr& value) {
      if (mnl_attr_get_type(&value) == NFTA_DATA_VERDICT) element.verdict = verdictOf(value);
      if (mnl_attr_get_type(&value) != NFTA_DATA_VALUE) return;
      (type == NFTA_SET_ELEM_KEY ? element.key : element.data) = bytesOf(value);
    });
  });
  return element;
}

Chain chainOf(const nftnl_chain* chain) {
  Chain out;
  out.name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
  if (!nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)) return out;
  BaseChain base;
  const char* type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);
  base.type = type && std::strcmp(type, "nat") == 0 ? ChainType::kNat : ChainType::kFilter;
  base.hook = static_cast<Hook>(nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM));
  base.priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
  base.policy_drop = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == 0;
  out.base = base;
  return out;
}

Set setOf(const nftnl_set* set) {
  Set out;
  out.name = nftnl_set_get_str(set, NFTNL_SET_NAME);
  out.key = fieldsOfNumber(nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE));
  if (nftnl_set_is_set(set, NFTNL_SET_DATA_TYPE)) {
    const uint32_t data = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE);
    out.kind = data == NFT_DATA_VERDICT ? SetKind::kVerdictMap : SetKind::kMap;
    if (out.kind == SetKind::kMap) out.data = fieldsOfNumber(data);
  }
  const uint32_t flags = nftnl_set_is_set(set, NFTNL_SET_FLAGS) ? nftnl_set_get_u32(set, NFTNL_SET_FLAGS) : 0;
  if ((flags & NFT_SET_EVAL) && nftnl_set_is_set(set, NFTNL_SET_TIMEOUT))
    out.timeout = std::chrono::seconds(nftnl_set_get_u64(set, NFTNL_SET_TIMEOUT) / 1000);
  if (nftnl_set_is_set(set, NFTNL_SET_DESC_SIZE)) out.size = nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE);
  return out;
}

struct FreeChain {
  void operator()(nftnl_chain* chain) const { nftnl_chain_free(chain); }
};

class KernelNft final : public Nft {
 public:
  explicit KernelNft(NetlinkSocket socket) : socket_(std::move(socket)) {}

  Result<uint32_t> generation(Stop& stop) override {
    std::optional<uint32_t> found;
    const auto request = TRY(Request(NFT_MSG_GETGEN, Family{}).bytes());
    TRY(socket_.ask(
        request, "nft generation",
        [&](const nlmsghdr& message) -> Result<void> {
          if (const auto generation = generationOf(message)) found = generation;
          return {};
        },
        stop));
    if (!found) return makeError(Code::kInternal, "nft generation: no answer in the answer");
    return *found;
  }

  Result<uint32_t> commit(const Batch& batch, uint32_t generation, Stop& stop) override;
  Result<TableState> read(const Table& table, Stop& stop) override;

 private:
  Result<void> readTable(const Table& table, TableState& state, Stop& stop);
  Result<void> readElements(const Table& table, SetState& set, Stop& stop);
  Result<void> readSettled(const Table& table, SetState& set, Stop& stop);

  NetlinkSocket socket_;
};

// What the kernel's acknowledgement says beside the errno: the offset of the attribute at fault.
size_t attributeOffset(const nlmsghdr& message) {
  if (!(message.nlmsg_flags & NLM_F_ACK_TLVS)) return 0;
  size_t at = sizeof(nlmsgerr);
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(&message));
  if (!(message.nlmsg_flags & NLM_F_CAPPED)) at += error->msg.nlmsg_len - NLMSG_HDRLEN;
  size_t offset = 0;
  forEachAttribute(message, at, [&](const nlattr& attribute) {
    if (isNumber(attribute, NLMSGERR_ATTR_OFFS)) offset = mnl_attr_get_u32(&attribute);
  });
  return offset;
}

// The kernel answers, in this order: an error for each message it refused, the acknowledgement (or
// error) of the last message; or, when the batch as a whole is refused, one error for its begin message.
// A batch refused when committing (out of memory) is told by an error for begin before the other answers.
Result<uint32_t> KernelNft::commit(const Batch& batch, uint32_t generation, Stop& stop) {
  if (batch.empty()) return generation;
  auto encoded = TRY(encodeBatch(batch, generation, 0));
  const auto messages = static_cast<uint32_t>(encoded.origins.size());
  if (messages == 0) return generation;  // only empty element lists
  const uint32_t first = socket_.sequences(messages + 2);
  encoded.first_sequence = first;
  uint32_t sequence = first;
  for (size_t at = 0; at < encoded.bytes.size();) {
    auto* header = reinterpret_cast<nlmsghdr*>(encoded.bytes.data() + at);
    header->nlmsg_seq = sequence++;
    at += NLMSG_ALIGN(header->nlmsg_len);
  }
  TRY_CTX(socket_.send(encoded.bytes), "nft batch of {} messages", messages);

  const uint32_t last = first + messages;
  std::optional<Error> failed;
  const auto answer = [&](const nlmsghdr& message) -> Result<NetlinkSocket::Next> {
    using Next = NetlinkSocket::Next;
    if (message.nlmsg_type != NLMSG_ERROR || message.nlmsg_seq < first || message.nlmsg_seq > last)
      return Next::kMore;
    const int error = netlinkErrno(message);
    if (message.nlmsg_seq == first) {
      if (error == 0) return Next::kMore;
      failed = error == ERESTART
                   ? Error{Code::kFailedPrecondition, ERESTART, "nft batch: the ruleset changed meanwhile"}
                   : errnoError(error, "nft batch");
      return Next::kDone;
    }
    if (error != 0 && !failed)
      failed = errnoError(
          error, describeFailure(batch, encoded, message.nlmsg_seq - first - 1, attributeOffset(message)));
    return message.nlmsg_seq == last ? Next::kDone : Next::kMore;
  };
  TRY(socket_.receive(answer, stop));
  if (failed) return std::move(*failed);
  return generation + 1 == 0 ? 1 : generation + 1;
}

Result<void> KernelNft::readElements(const Table& table, SetState& set, Stop& stop) {
  const auto request = TRY(Request(NFT_MSG_GETSETELEM, table.family)
                               .name(NFTA_SET_ELEM_LIST_TABLE, table.name)
                               .name(NFTA_SET_ELEM_LIST_SET, set.set.name)
                               .bytes());
  return socket_.dump(
      request, "nft elements of " + set.set.name,
      [&](const nlmsghdr& message) -> Result<void> {
        if (!isMessage(message, NFT_MSG_NEWSETELEM)) return {};
        forEachAttribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
          if (mnl_attr_get_type(&attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) return;
          forEachNested(attribute, [&](const nlattr& one) {
            auto element = elementOf(one);
            auto key = element.key;
            set.elements.insert_or_assign(std::move(key), std::move(element));
          });
        });
        return {};
      },
      stop);
}

Result<void> KernelNft::readSettled(const Table& table, SetState& set, Stop& stop) {
  TRY(readElements(table, set, stop));
  for (int i = 0; i < kSettleTries && set.set.size == 0 && set.elements.size() > kUnsettledElements; ++i) {
    const size_t before = std::exchange(set.elements, {}).size();
    TRY(readElements(table, set, stop));
    if (set.elements.size() == before) break;
  }
  return {};
}

Result<void> KernelNft::readTable(const Table& table, TableState& state, Stop& stop) {
  const auto get = TRY(Request(NFT_MSG_GETTABLE, table.family).name(NFTA_TABLE_NAME, table.name).bytes());
  auto found = socket_.ask(
      get, "nft table " + table.name, [](const nlmsghdr&) -> Result<void> { return {}; }, stop);
  if (!found && found.error().code == Code::kNotFound) return {};
  TRY(std::move(found));
  state.exists = true;

  const auto chains = TRY(Request(NFT_MSG_GETCHAIN, table.family).bytes());
  TRY(socket_.dump(
      chains, "nft chains",
      [&](const nlmsghdr& message) -> Result<void> {
        const std::unique_ptr<nftnl_chain, FreeChain> chain(nftnl_chain_alloc());
        if (!chain || nftnl_chain_nlmsg_parse(&message, chain.get()) < 0)
          return makeError(Code::kInternal, "nft chains: an answer that libnftnl cannot read");
        const char* owner = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE);
        if (!owner || table.name != owner) return {};
        auto value = chainOf(chain.get());
        state.chains[value.name] = {value, {}};
        return {};
      },
      stop));

  const auto rules = TRY(Request(NFT_MSG_GETRULE, table.family).name(NFTA_RULE_TABLE, table.name).bytes());
  TRY(socket_.dump(
      rules, "nft rules",
      [&](const nlmsghdr& message) -> Result<void> {
        const RulePtr rule(nftnl_rule_alloc());
        if (!rule || nftnl_rule_nlmsg_parse(&message, rule.get()) < 0)
          return makeError(Code::kInternal, "nft rules: an answer that libnftnl cannot read");
        const char* owner = nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE);
        const char* chain = nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN);
        if (!owner || !chain || table.name != owner) return {};
        state.chains[chain].rules.push_back(
            {nftnl_rule_get_u64(rule.get(), NFTNL_RULE_HANDLE), bytecode(rule.get())});
        return {};
      },
      stop));

  const auto sets = TRY(Request(NFT_MSG_GETSET, table.family).name(NFTA_SET_TABLE, table.name).bytes());
  TRY(socket_.dump(
      sets, "nft sets",
      [&](const nlmsghdr& message) -> Result<void> {
        const SetPtr set(nftnl_set_alloc());
        if (!set || nftnl_set_nlmsg_parse(&message, set.get()) < 0)
          return makeError(Code::kInternal, "nft sets: an answer that libnftnl cannot read");
        const char* owner = nftnl_set_get_str(set.get(), NFTNL_SET_TABLE);
        if (!owner || table.name != owner) return {};
        auto value = setOf(set.get());
        state.sets[value.name].set = value;
        return {};
      },
      stop));
  for (auto& [name, set] : state.sets)
    if (!set.set.timeout) TRY(readSettled(table, set, stop));
  return {};
}

Result<TableState> KernelNft::read(const Table& table, Stop& stop) {
  for (int i = 0; i < kReadTries; ++i) {
    TableState state;
    state.generation = TRY(generation(stop));
    auto done = readTable(table, state, stop);
    if (TRY(generation(stop)) != state.generation) continue;
    TRY_CTX(std::move(done), "read nft table {} {}", familyName(table.family), table.name);
    return state;
  }
  return makeError(Code::kUnavailable, "read nft table {} {}: the ruleset changed {} times meanwhile",
                   familyName(table.family), table.name, kReadTries);
}

}  // namespace

bool isStale(const Error& error) { return error.code == Code::kFailedPrecondition && error.sys == ERESTART; }

Result<std::unique_ptr<Nft>> openNft(int netns) {
  auto socket = TRY_CTX(NetlinkSocket::open(NETLINK_NETFILTER, netns), "open nftables");
  return std::unique_ptr<Nft>(std::make_unique<KernelNft>(std::move(socket)));
}

}  // namespace keelson::kernel::nft
