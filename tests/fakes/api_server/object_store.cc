#include "tests/fakes/api_server/object_store.h"

#include <algorithm>

#include "tests/fakes/api_server/fields.h"

namespace keelson::fakes {

Object ObjectStore::get(const std::string& collection, std::string_view key) const {
  const auto& objects = all(collection);
  const auto found = objects.find(key);
  return found == objects.end() ? nullptr : found->second;
}

const Objects& ObjectStore::all(const std::string& collection) const {
  static const Objects kNone;
  const auto found = collections_.find(collection);
  return found == collections_.end() ? kNone : found->second;
}

Object ObjectStore::put(const std::string& collection, const std::string& key, json::object value) {
  ++version_;
  objectAt(value, "metadata")["resourceVersion"] = std::to_string(version_);
  auto& place = collections_[collection][key];
  auto was = std::exchange(place, std::make_shared<const json::object>(std::move(value)));
  auto now = place;
  record({version_, collection, key, std::move(was), now, now});
  return now;
}

Object ObjectStore::remove(const std::string& collection, const std::string& key) {
  auto was = get(collection, key);
  if (!was) return nullptr;
  ++version_;
  collections_[collection].erase(key);
  json::object last = *was;
  objectAt(last, "metadata")["resourceVersion"] = std::to_string(version_);
  auto gone = std::make_shared<const json::object>(std::move(last));
  record({version_, collection, key, std::move(was), nullptr, gone});
  return gone;
}

void ObjectStore::record(StoreEvent event) {
  events_.push_back(std::move(event));
  while (events_.size() > limit_) {
    forgotten_ = events_.front().version;
    events_.pop_front();
  }
  tell();
}

void ObjectStore::tell() {
  const auto listeners = listeners_;  // one of them may end itself
  for (const auto& [number, listener] : listeners) {
    if (listeners_.count(number)) listener();
  }
}

std::optional<std::deque<StoreEvent>::const_iterator> ObjectStore::after(uint64_t version) const {
  if (version < forgotten_) return std::nullopt;
  return std::upper_bound(events_.begin(), events_.end(), version,
                          [](uint64_t wanted, const StoreEvent& event) { return wanted < event.version; });
}

std::optional<Objects> ObjectStore::snapshot(const std::string& collection, uint64_t version) const {
  const auto first = after(version);
  if (!first) return std::nullopt;
  Objects objects = all(collection);
  for (auto event = events_.end(); event != *first;) {
    --event;
    if (event->collection != collection) continue;
    if (event->was) {
      objects[event->key] = event->was;
    } else {
      objects.erase(event->key);
    }
  }
  return objects;
}

void ObjectStore::compact() {
  events_.clear();
  ++version_;  // even who has seen everything is too old: nothing proves that it did
  forgotten_ = version_;
  tell();
}

json::object ObjectStore::save() const {
  json::object collections;
  for (const auto& [collection, objects] : collections_) {
    auto& list = objectAt(collections, "all");
    json::object& into = list[collection].emplace_object();
    for (const auto& [key, object] : objects) into[key] = *object;
  }
  return {{"version", version_}, {"collections", std::move(collections)}};
}

void ObjectStore::restore(const json::object& saved) {
  collections_.clear();
  events_.clear();
  version_ = static_cast<uint64_t>(numberAt(saved, "version", 1));
  forgotten_ = version_;
  const auto* all = find(saved, "collections.all");
  if (all == nullptr || !all->is_object()) return;
  for (const auto& [collection, objects] : all->get_object()) {
    for (const auto& [key, object] : objects.as_object()) {
      collections_[std::string(collection)][std::string(key)] =
          std::make_shared<const json::object>(object.as_object());
    }
  }
}

uint64_t ObjectStore::listen(std::function<void()> listener) {
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}

}  // namespace keelson::fakes
