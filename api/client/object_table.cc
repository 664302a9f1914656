#include "api/client/object_table.h"

#include <algorithm>

namespace keelson::api::client {
namespace {

constexpr size_t kMaxUndecoded = 100;
constexpr size_t kMaxDeleted = 4096;

bool isDecimal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view withoutZeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

}  // namespace

std::optional<std::strong_ordering> compareVersions(std::string_view a, std::string_view b) {
  if (!isDecimal(a) || !isDecimal(b)) return std::nullopt;
  a = withoutZeros(a);
  b = withoutZeros(b);
  return a.size() != b.size() ? a.size() <=> b.size() : a.compare(b) <=> 0;
}

bool isOlder(std::string_view version, std::string_view than) {
  const auto order = compareVersions(version, than);
  return order && *order < 0;
}

void ObjectTable::noteDecoding(const Item& item) {
  if (item.object != nullptr) {
    undecoded_.erase(item.key);
  } else if (undecoded_.size() < kMaxUndecoded || undecoded_.contains(item.key)) {
    undecoded_[item.key] = item.error;
  }
}

void ObjectTable::drop(const std::string& key, std::shared_ptr<const void> last,
                       std::vector<ObjectChange>& changes) {
  changes.push_back({key, std::move(last), nullptr});
  entries_.erase(key);
}

// Puts an item that is known to be news. One that could not be decoded leaves the last good value.
void ObjectTable::store(Item item, std::vector<ObjectChange>& changes) {
  noteDecoding(item);
  const auto held = entries_.find(item.key);
  if (held != entries_.end() && held->second.uid != item.uid) drop(item.key, held->second.object, changes);
  if (item.object == nullptr) return;
  Entry& entry = entries_[item.key];
  changes.push_back({item.key, entry.object, item.object});
  entry = {std::move(item.uid), std::move(item.resource_version), std::move(item.object)};
}

std::vector<ObjectChange> ObjectTable::replace(std::vector<Item> items, const std::string& list_version,
                                               ListKind kind) {
  std::vector<ObjectChange> changes;
  std::map<std::string, bool> listed;
  undecoded_.clear();
  deleted_.clear();
  for (const Item& item : items) listed[item.key] = true;
  std::vector<std::pair<std::string, std::shared_ptr<const void>>> gone;
  for (const auto& [key, entry] : entries_) {
    if (listed.contains(key)) continue;
    if (kind == ListKind::kCached && isOlder(list_version, entry.resource_version)) continue;
    gone.emplace_back(key, entry.object);
  }
  for (auto& [key, object] : gone) drop(key, std::move(object), changes);
  for (Item& item : items) {
    const auto held = entries_.find(item.key);
    if (held != entries_.end()) {
      const bool same =
          held->second.uid == item.uid && held->second.resource_version == item.resource_version;
      const bool older = isOlder(item.resource_version, held->second.resource_version);
      if (same || (older && kind == ListKind::kCached)) continue;
    }
    store(std::move(item), changes);
  }
  return changes;
}

void ObjectTable::set(Item item, std::vector<ObjectChange>& changes) {
  const auto deleted = deleted_.find(item.key);
  if (deleted != deleted_.end()) {
    if (isOlder(item.resource_version, deleted->second) || item.resource_version == deleted->second) return;
    deleted_.erase(deleted);
  }
  const auto held = entries_.find(item.key);
  if (held != entries_.end()) {
    const bool same = held->second.uid == item.uid && held->second.resource_version == item.resource_version;
    if (same || isOlder(item.resource_version, held->second.resource_version)) return;
  }
  store(std::move(item), changes);
}

void ObjectTable::remove(Item item, std::vector<ObjectChange>& changes) {
  const auto held = entries_.find(item.key);
  if (held != entries_.end() && isOlder(item.resource_version, held->second.resource_version)) return;
  undecoded_.erase(item.key);
  if (deleted_.size() >= kMaxDeleted) deleted_.erase(deleted_.begin());
  deleted_[item.key] = item.resource_version;
  if (held == entries_.end()) return;
  const bool same_object = held->second.uid == item.uid && item.object != nullptr;
  drop(item.key, same_object ? item.object : held->second.object, changes);
}

}  // namespace keelson::api::client
