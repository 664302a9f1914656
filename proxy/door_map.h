// Services and endpoints as they are now, and the doors they make, kept up to date change by change.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/doors.h"

namespace keelson::proxy {

// What changed since last time: a null pointer means gone. Keys are "namespace/name". A whole list, if there
// is one, comes before the single ones.
struct ObjectChanges {
  std::optional<std::vector<ServicePtr>> all_services;
  std::optional<std::vector<SlicePtr>> all_slices;
  std::map<std::string, ServicePtr> services;
  std::map<std::string, SlicePtr> slices;
  std::optional<NodeFacts> node;
};

std::string nameOf(const api::ObjectMeta& metadata);

// Resolves only the services that a change touches, so that it costs its own size. Its doors are always those
// of resolveDoors() over all objects. Home: one strand. Pure but for what it remembers.
class DoorMap {
 public:
  // Returns the doors that are other than before, by key.
  std::vector<DoorChange> apply(ObjectChanges changes);

  const Doors& doors() const { return doors_; }
  const HealthPorts& health() const { return health_; }
  std::vector<std::string> problems() const;
  size_t services() const { return services_; }
  size_t slices() const { return slices_.size(); }
  // Services with a Local policy and endpoints, but none here: kube-proxy's no_local_endpoints.
  size_t withheld(bool outside) const { return outside ? withheld_outside_ : withheld_inside_; }

 private:
  struct Entry {
    ServicePtr service;  // absent: there are only slices
    std::map<std::string, SlicePtr> slices;
    ServiceDoors resolved;
  };
  struct Claim {
    ServicePtr service;
    DoorPtr door;
  };
  using Before = std::map<DoorKey, DoorPtr>;

  void setService(const std::string& name, ServicePtr service);
  void setSlice(const std::string& name, SlicePtr slice);
  void setAll(const ObjectChanges& changes);
  void resolve(const std::string& name, Before& before);
  void claim(const DoorKey& key, const std::string& name, std::optional<Claim> claim, Before& before);
  void count(const Door& door, bool more);

  NodeFacts node_;
  std::unordered_map<std::string, Entry> entries_;       // by service
  std::unordered_map<std::string, SlicePtr> slices_;     // by slice
  std::map<DoorKey, std::vector<Claim>> claims_;         // the first one has the door
  std::set<DoorKey> contested_;                          // with more than one claim
  std::set<std::string> marked_;                         // services to resolve
  std::map<std::string, std::vector<std::string>> bad_;  // what is wrong, by service
  Doors doors_;
  HealthPorts health_;
  size_t services_ = 0, withheld_inside_ = 0, withheld_outside_ = 0;
};

}  // namespace keelson::proxy
