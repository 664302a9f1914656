// The objects of a followed collection, whatever their kind; what changes and what does not. Pure.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api::client {

// The order of two resourceVersions; nullopt unless both are decimal numbers.
std::optional<std::strong_ordering> compareVersions(std::string_view a, std::string_view b);
// True only if it is certain.
bool isOlder(std::string_view version, std::string_view than);

// An object as it came. `object` is null if it could not be decoded; `error` then says why.
struct Item {
  std::string key;  // "namespace/name" or "name"
  std::string uid, resource_version;
  std::shared_ptr<const void> object;
  std::string error;
};

// See Change in informer.h.
struct ObjectChange {
  std::string key;
  std::shared_ptr<const void> was, now;
};

// Whether a list may be older than what was seen before. The API server answers resourceVersion="" from
// etcd: what it says is so, even if its numbers went back (a restored backup).
enum class ListKind { kConsistent, kCached };

// Owned by a Follower. Home: loop.
class ObjectTable {
 public:
  // The differences that a whole list makes. An object under a known name with another uid is two changes:
  // the old one gone, the new one come.
  std::vector<ObjectChange> replace(std::vector<Item> items, const std::string& list_version, ListKind kind);
  // ADDED and MODIFIED alike. Older versions and repetitions change nothing.
  void set(Item item, std::vector<ObjectChange>& changes);
  // DELETED. One that is older than what is held (of a former object of that name) changes nothing.
  void remove(Item item, std::vector<ObjectChange>& changes);

  size_t size() const { return entries_.size(); }
  // Why one of the objects could not be decoded; "" if all could.
  std::string decodeError() const { return undecoded_.empty() ? "" : undecoded_.begin()->second; }

 private:
  struct Entry {
    std::string uid, resource_version;
    std::shared_ptr<const void> object;
  };
  void store(Item item, std::vector<ObjectChange>& changes);
  void drop(const std::string& key, std::shared_ptr<const void> last, std::vector<ObjectChange>& changes);
  void noteDecoding(const Item& item);

  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> undecoded_;  // bounded; why, by key
  // Versions at which objects were deleted, so that a late event does not bring them back. Bounded.
  std::map<std::string, std::string> deleted_;
};

}  // namespace keelson::api::client
