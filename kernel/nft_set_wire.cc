// Sets into libnftnl's objects, with the user data by which nft(8) lists their types.
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

#include "kernel/nft_wire.h"

namespace keelson::kernel::nft {
namespace {

// ---- a set's user data, which only nft(8) reads (its src/netlink.c and src/expression.c) ----

constexpr uint32_t kOrderNone = 0, kOrderHost = 1, kOrderNetwork = 2;                    // enum byteorder
constexpr uint32_t kExprPayload = 7, kExprMeta = 9, kExprConcat = 13, kExprNumgen = 23;  // enum expr_types
constexpr uint32_t kDescTh = 11, kDescIp = 12, kDescIp6 = 13;                            // enum proto_desc_id
constexpr uint32_t kUdataSize = 256;  // NFT_USERDATA_MAXLEN

uint32_t byteOrder(const Fields& shape) {
  if (shape.types.size() != 1) return kOrderNone;
  switch (shape.types[0]) {
    case Datatype::kMark:
    case Datatype::kIfname:
    case Datatype::kInteger:
      return kOrderHost;
    default:
      return kOrderNetwork;
  }
}

void putSelector(nftnl_udata_buf* out, const Selector& selector) {
  const auto pair = [&](uint32_t type, auto&& data) {
    nftnl_udata_put_u32(out, NFTNL_UDATA_SET_TYPEOF_EXPR, type);
    auto* nest = nftnl_udata_nest_start(out, NFTNL_UDATA_SET_TYPEOF_DATA);
    data();
    nftnl_udata_nest_end(out, nest);
  };
  if (const auto* field = std::get_if<Payload>(&selector)) {
    struct Name {
      uint32_t desc, type;
    };
    static constexpr Name kNames[] = {{kDescIp, 11}, {kDescIp, 12}, {kDescIp6, 8},
                                      {kDescIp6, 9}, {kDescTh, 1},  {kDescTh, 2}};
    const Name& name = kNames[static_cast<size_t>(*field)];
    pair(kExprPayload, [&] {
      nftnl_udata_put_u32(out, 0, name.desc);
      nftnl_udata_put_u32(out, 1, name.type);
    });
  } else if (const auto* meta = std::get_if<Meta>(&selector)) {
    static constexpr uint32_t kKeys[] = {NFT_META_L4PROTO, NFT_META_MARK, NFT_META_IIFNAME, NFT_META_OIFNAME};
    pair(kExprMeta, [&] { nftnl_udata_put_u32(out, 0, kKeys[static_cast<size_t>(*meta)]); });
  } else if (const auto* numgen = std::get_if<Numgen>(&selector)) {
    pair(kExprNumgen, [&] {
      nftnl_udata_put_u32(out, 0, NFT_NG_RANDOM);
      nftnl_udata_put_u32(out, 1, numgen->modulus);
      nftnl_udata_put_u32(out, 2, 0);
    });
  }
}

void putOrigin(nftnl_udata_buf* out, uint8_t attribute, const Key& origin) {
  auto* outer = nftnl_udata_nest_start(out, attribute);
  if (origin.size() == 1) {
    putSelector(out, origin[0]);
  } else {
    nftnl_udata_put_u32(out, NFTNL_UDATA_SET_TYPEOF_EXPR, kExprConcat);
    auto* list = nftnl_udata_nest_start(out, NFTNL_UDATA_SET_TYPEOF_DATA);
    for (size_t i = 0; i < origin.size(); ++i) {
      auto* one = nftnl_udata_nest_start(out, static_cast<uint8_t>(i));
      putSelector(out, origin[i]);
      nftnl_udata_nest_end(out, one);
    }
    nftnl_udata_nest_end(out, list);
  }
  nftnl_udata_nest_end(out, outer);
}

Result<void> putUserData(nftnl_set* target, const Set& set) {
  const auto by_hash = [](const Selector& selector) { return std::holds_alternative<Jhash>(selector); };
  if (std::any_of(set.key.origin.begin(), set.key.origin.end(), by_hash))
    return makeError(Code::kInvalidArgument,
                     "nft 1.0.6 lists no typeof of jhash: declare the set with numgen");
  std::unique_ptr<nftnl_udata_buf, void (*)(const nftnl_udata_buf*)> buffer(nftnl_udata_buf_alloc(kUdataSize),
                                                                            nftnl_udata_buf_free);
  if (!buffer) return makeError(Code::kResourceExhausted, "no memory");
  auto* out = buffer.get();
  nftnl_udata_put_u32(out, NFTNL_UDATA_SET_KEYBYTEORDER, byteOrder(set.key));
  if (set.kind == SetKind::kMap) nftnl_udata_put_u32(out, NFTNL_UDATA_SET_DATABYTEORDER, byteOrder(set.data));
  if (!set.key.origin.empty()) putOrigin(out, NFTNL_UDATA_SET_KEY_TYPEOF, set.key.origin);
  if (set.kind == SetKind::kMap && !set.data.origin.empty())
    putOrigin(out, NFTNL_UDATA_SET_DATA_TYPEOF, set.data.origin);
  nftnl_set_set_data(target, NFTNL_SET_USERDATA, nftnl_udata_buf_data(out), nftnl_udata_buf_len(out));
  return {};
}

}  // namespace

uint32_t typeNumber(const Fields& shape) {
  uint32_t number = 0;
  for (const Datatype type : shape.types) number = number << 6 | static_cast<uint32_t>(type);
  return number;
}

Fields fieldsOfNumber(uint32_t number) {
  Fields shape;
  for (; number != 0; number >>= 6)
    shape.types.insert(shape.types.begin(), static_cast<Datatype>(number & 0x3f));
  return shape;
}

size_t packedSize(const Fields& shape) {
  if (shape.types.size() == 1) return width(shape.types[0]);
  size_t size = 0;
  for (const Datatype type : shape.types) size += (width(type) + 3) & ~size_t{3};
  return size;
}

Result<SetPtr> encodeSet(const Table& table, const Set& set, uint32_t id) {
  constexpr size_t kMaxFields = 5;  // six bits each in the 32-bit type number
  if (set.key.types.empty() || set.key.types.size() > kMaxFields || set.data.types.size() > kMaxFields)
    return makeError(Code::kInvalidArgument, "set {}: a key has 1 to {} fields", set.name, kMaxFields);
  SetPtr encoded(nftnl_set_alloc());
  if (!encoded) return makeError(Code::kResourceExhausted, "no memory");
  auto* out = encoded.get();
  nftnl_set_set_u32(out, NFTNL_SET_FAMILY, static_cast<uint32_t>(table.family));
  nftnl_set_set_str(out, NFTNL_SET_TABLE, table.name.c_str());
  nftnl_set_set_str(out, NFTNL_SET_NAME, set.name.c_str());
  nftnl_set_set_u32(out, NFTNL_SET_ID, id);
  uint32_t flags = set.kind == SetKind::kSet ? 0 : NFT_SET_MAP;
  if (set.timeout) {
    flags |= NFT_SET_TIMEOUT | NFT_SET_EVAL;
    nftnl_set_set_u64(out, NFTNL_SET_TIMEOUT, static_cast<uint64_t>(set.timeout->count()) * 1000);
  }
  nftnl_set_set_u32(out, NFTNL_SET_FLAGS, flags);
  nftnl_set_set_u32(out, NFTNL_SET_KEY_TYPE, typeNumber(set.key));
  nftnl_set_set_u32(out, NFTNL_SET_KEY_LEN, static_cast<uint32_t>(packedSize(set.key)));
  if (set.kind == SetKind::kMap) {
    nftnl_set_set_u32(out, NFTNL_SET_DATA_TYPE, typeNumber(set.data));
    nftnl_set_set_u32(out, NFTNL_SET_DATA_LEN, static_cast<uint32_t>(packedSize(set.data)));
  }
  if (set.kind == SetKind::kVerdictMap) {
    nftnl_set_set_u32(out, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    nftnl_set_set_u32(out, NFTNL_SET_DATA_LEN, 0);
  }
  if (set.size != 0) nftnl_set_set_u32(out, NFTNL_SET_DESC_SIZE, set.size);
  TRY_CTX(putUserData(out, set), "set {}", set.name);
  return encoded;
}

}  // namespace keelson::kernel::nft
