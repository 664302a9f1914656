// Identities as types of their own, so that one cannot stand where another belongs.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace keelson {

template <class Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StringId&) const = default;

 private:
  std::string value_;
};

using PodUid = StringId<struct PodUidTag>;            // metadata.uid of a Pod
using ContainerId = StringId<struct ContainerIdTag>;  // 64 hex digits, unique for each attempt

// 64 random hex digits.
ContainerId makeContainerId();
// `bytes` random bytes from getrandom(2) as lower-case hex.
std::string randomHex(size_t bytes);

}  // namespace keelson

template <class Tag>
struct std::hash<keelson::StringId<Tag>> {
  size_t operator()(const keelson::StringId<Tag>& id) const { return std::hash<std::string>{}(id.str()); }
};
