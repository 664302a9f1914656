#include "proxy/door_map.h"

#include <algorithm>

namespace keelson::proxy {

std::string nameOf(const api::ObjectMeta& metadata) { return metadata.namespace_ + "/" + metadata.name; }

std::vector<DoorChange> DoorMap::apply(ObjectChanges changes) {
  setAll(changes);
  for (auto& [name, service] : changes.services) setService(name, service);
  for (auto& [name, slice] : changes.slices) setSlice(name, slice);
  if (changes.node && *changes.node != node_) {
    node_ = std::move(*changes.node);
    for (const auto& [name, entry] : entries_) marked_.insert(name);
  }
  Before before;
  for (const auto& name : std::exchange(marked_, {})) resolve(name, before);
  std::vector<DoorChange> made;
  for (auto& [key, was] : before) {
    const auto found = claims_.find(key);
    const DoorPtr now = found == claims_.end() ? nullptr : found->second.front().door;
    if (now == was || (now && was && *now == *was)) continue;
    if (was) count(*was, false);
    if (now) count(*now, true);
    if (now)
      doors_[key] = now;
    else
      doors_.erase(key);
    made.push_back({key, was, now});
  }
  return made;
}

// A list is what there is: the rest is gone.
void DoorMap::setAll(const ObjectChanges& changes) {
  if (changes.all_services) {
    std::set<std::string> present;
    for (const auto& service : *changes.all_services) {
      const auto [name, fresh] = present.insert(nameOf(service->metadata));
      if (fresh) setService(*name, service);
    }
    std::vector<std::string> gone;
    for (const auto& [name, entry] : entries_)
      if (entry.service && !present.count(name)) gone.push_back(name);
    for (const auto& name : gone) setService(name, nullptr);
  }
  if (changes.all_slices) {
    std::set<std::string> present;
    for (const auto& slice : *changes.all_slices) {
      const auto [name, fresh] = present.insert(nameOf(slice->metadata));
      if (fresh) setSlice(*name, slice);
    }
    std::vector<std::string> gone;
    for (const auto& [name, slice] : slices_)
      if (!present.count(name)) gone.push_back(name);
    for (const auto& name : gone) setSlice(name, nullptr);
  }
}

void DoorMap::setService(const std::string& name, ServicePtr service) {
  const auto found = entries_.find(name);
  if (found == entries_.end() && !service) return;
  Entry& entry = entries_[name];
  if (entry.service == service) return;
  if (!entry.service) ++services_;
  if (!service) --services_;
  entry.service = std::move(service);
  marked_.insert(name);
}

void DoorMap::setSlice(const std::string& name, SlicePtr slice) {
  const auto known = slices_.find(name);
  if (known != slices_.end()) {
    if (known->second == slice) return;
    const std::string owner = serviceOf(*known->second);
    slices_.erase(known);
    if (!owner.empty() && entries_[owner].slices.erase(name)) marked_.insert(owner);
  }
  if (!slice) return;
  const std::string owner = serviceOf(*slice);
  slices_[name] = slice;
  if (owner.empty()) return;
  entries_[owner].slices[name] = std::move(slice);
  marked_.insert(owner);
}

void DoorMap::resolve(const std::string& name, Before& before) {
  Entry& entry = entries_[name];
  ServiceDoors now;
  if (entry.service) {
    std::vector<SlicePtr> slices;
    for (const auto& [slice_name, slice] : entry.slices) slices.push_back(slice);
    now = resolveService(*entry.service, slices, node_);
  }
  for (const auto& [key, door] : entry.resolved.doors) claim(key, name, {}, before);
  for (const auto& [key, door] : now.doors) claim(key, name, Claim{entry.service, door}, before);
  if (now.health)
    health_[name] = *now.health;
  else
    health_.erase(name);
  if (now.problems.empty())
    bad_.erase(name);
  else
    bad_[name] = now.problems;
  entry.resolved = std::move(now);
  if (!entry.service && entry.slices.empty()) entries_.erase(name);
}

void DoorMap::claim(const DoorKey& key, const std::string& name, std::optional<Claim> wanted,
                    Before& before) {
  auto& claims = claims_[key];
  before.try_emplace(key, claims.empty() ? nullptr : claims.front().door);
  std::erase_if(claims, [&](const Claim& one) { return nameOf(one.service->metadata) == name; });
  if (wanted) {
    const auto place = std::find_if(claims.begin(), claims.end(), [&](const Claim& one) {
      return precedes(*wanted->service, *one.service);
    });
    claims.insert(place, std::move(*wanted));
  }
  if (claims.size() > 1)
    contested_.insert(key);
  else
    contested_.erase(key);
  if (claims.empty()) claims_.erase(key);
}

void DoorMap::count(const Door& door, bool more) {
  const auto change = [&](size_t& counter) { more ? ++counter : --counter; };
  if (door.everyone_withheld && door.cluster_ip) change(withheld_inside_);
  if (door.outside_withheld) change(withheld_outside_);
}

std::vector<std::string> DoorMap::problems() const {
  std::vector<std::string> all;
  for (const auto& [name, problems] : bad_) all.insert(all.end(), problems.begin(), problems.end());
  for (const auto& key : contested_) {
    const auto& claims = claims_.at(key);
    for (size_t i = 1; i < claims.size(); ++i)
      all.push_back(fmt::format("service {}: {} is {}'s already", nameOf(claims[i].service->metadata),
                                key.str(), claims.front().door->service));
  }
  return all;
}

}  // namespace keelson::proxy
