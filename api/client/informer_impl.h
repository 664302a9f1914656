// The bodies of Informer<T>; included only where it is instantiated (and by tests with kinds of their own).
#pragma once

#include "api/client/follower.h"
#include "api/client/informer.h"
#include "base/clock.h"

namespace keelson::api::client {

template <class T>
struct Informer<T>::State {
  std::shared_ptr<Follower> follower;
  Objects objects;
  Listener listener;

  static Result<std::shared_ptr<const void>> decodeObject(const json::value& value) {
    auto decoded = decode<T>(value);
    if (!decoded) return std::move(decoded).error();
    return std::shared_ptr<const void>(std::make_shared<const T>(std::move(decoded->value)));
  }

  // First the map, then the listener: it sees the objects as they are after the changes.
  std::vector<Change<T>> take(std::vector<ObjectChange> changes) {
    std::vector<Change<T>> typed;
    typed.reserve(changes.size());
    for (ObjectChange& change : changes) {
      typed.push_back({std::static_pointer_cast<const T>(std::move(change.was)),
                       std::static_pointer_cast<const T>(std::move(change.now))});
      if (typed.back().now == nullptr) {
        objects.erase(change.key);
      } else {
        objects[change.key] = typed.back().now;
      }
    }
    return typed;
  }
};

template <class T>
Informer<T>::Informer(Loop& loop, Lane& lane, ApiClient& client, Collection collection,
                      FollowSettings settings)
    : state_(std::make_shared<State>()) {
  state_->follower = std::make_shared<Follower>(loop, lane, client, std::move(collection), settings,
                                                &State::decodeObject, realClock());
}

template <class T>
Informer<T>::~Informer() {
  stop();
}

template <class T>
void Informer<T>::start(Listener listener) {
  state_->listener = std::move(listener);
  state_->follower->start([weak = std::weak_ptr<State>(state_)](std::vector<ObjectChange> changes) {
    const auto state = weak.lock();  // alive through a listener that destroys the informer
    if (state != nullptr) state->listener(state->take(std::move(changes)));
  });
}

template <class T>
void Informer<T>::stop() {
  state_->follower->stop();
}

template <class T>
bool Informer<T>::synced() const {
  return state_->follower->synced();
}

template <class T>
const typename Informer<T>::Objects& Informer<T>::objects() const {
  return state_->objects;
}

template <class T>
FollowStats Informer<T>::stats() const {
  return state_->follower->stats();
}

}  // namespace keelson::api::client
