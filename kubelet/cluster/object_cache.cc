#include "kubelet/cluster/object_cache.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api/names.h"
#include "base/log.h"

namespace keelson::kubelet::cluster {
namespace {

using api::client::Change;
using api::client::Informer;

// Nobody waits for a change of services: many at once are one copy of the map.
constexpr Duration kServicesDelay = std::chrono::milliseconds(100);

using Users = std::map<std::string, std::set<PodUid>>;  // "namespace/name" -> pods

// "namespace/name" in two, if both may stand in a path and in a selector.
std::optional<std::pair<std::string, std::string>> splitKey(const std::string& key) {
  const size_t slash = key.find('/');
  const std::string name_space = key.substr(0, slash), name = key.substr(slash + 1);
  if (!api::checkDnsLabel(name_space).empty() || !api::checkDnsSubdomain(name).empty()) return std::nullopt;
  return std::pair(name_space, name);
}

// The single objects of one kind that are followed. Home: loop.
template <class T>
class Followed {
 public:
  using Told = std::function<void(const std::string& key, std::shared_ptr<const T>)>;  // nullptr: absent

  explicit Followed(std::string plural) : plural_(std::move(plural)) {}

  template <class MakeInformer>
  void set(const Users& wanted, size_t room, const MakeInformer& make, const Told& told,
           const Told& dropped) {
    std::erase_if(entries_, [&](const auto& entry) {
      if (wanted.count(entry.first)) return false;
      dropped(entry.first, nullptr);
      return true;
    });
    refused_ = 0;
    for (const auto& [key, users] : wanted) {
      const auto found = entries_.find(key);
      if (found != entries_.end()) {
        found->second.users = users;
      } else if (entries_.size() >= room) {
        if (++refused_ == 1)
          LOG_ERROR("{} {}: not followed, {} objects are already; its pods wait", plural_, key, room);
      } else {
        start(key, users, make, told);
      }
    }
  }

  size_t size() const { return entries_.size(); }
  size_t refused() const { return refused_; }
  void clear() { entries_.clear(); }
  const std::set<PodUid>* users(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second.users;
  }
  // An immutable object is what it is.
  void endFollowing(const std::string& key) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) found->second.informer.reset();
  }

 private:
  struct Entry {
    std::set<PodUid> users;
    std::unique_ptr<Informer<T>> informer;
  };

  template <class MakeInformer>
  void start(const std::string& key, const std::set<PodUid>& users, const MakeInformer& make,
             const Told& told) {
    Entry& entry = entries_[key];
    entry.users = users;
    const auto parts = splitKey(key);
    if (!parts) return told(key, nullptr);  // no object can have such a name
    entry.informer = make(fmt::format("/api/v1/namespaces/{}/{}", parts->first, plural_),
                          "metadata.name=" + parts->second);
    entry.informer->start([key, told, informer = entry.informer.get()](const std::vector<Change<T>>&) {
      const auto found = informer->objects().find(key);
      told(key, found == informer->objects().end() ? nullptr : found->second);
    });
  }

  const std::string plural_;
  std::map<std::string, Entry> entries_;
  size_t refused_ = 0;
};

}  // namespace

// Shared with posted tasks, which find it stopped.
class ObjectCache::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Loop& loop, Lane& decoder, api::client::ApiClient& client, Changed changed, Settings settings)
      : loop_(loop),
        decoder_(decoder),
        client_(client),
        changed_(std::move(changed)),
        settings_(std::move(settings)) {}

  void setPods(const std::vector<api::PodPtr>& pods);
  void stop();
  Stats stats() const {
    return {config_maps_.size(), secrets_.size(), config_maps_.refused() + secrets_.refused(),
            services_ != nullptr, runtime_classes_ != nullptr};
  }

 private:
  struct KnownPod {
    api::PodPtr pod;
    ObjectReferences references;
  };

  void takePods(const std::vector<api::PodPtr>& pods);
  template <class T>
  void follow(Followed<T>& followed, ObjectMap<T>& known, const Users& wanted, size_t others);
  void followServices();
  void followRuntimeClasses();
  template <class Task>
  void onLoop(Task task) {
    loop_.post([weak = weak_from_this(), task = std::move(task)] {
      const auto self = weak.lock();
      if (self && !self->stopped_) task(*self);
    });
  }
  void flushSoon();
  void flush();

  Loop& loop_;
  Lane& decoder_;
  api::client::ApiClient& client_;
  const Changed changed_;
  const Settings settings_;
  std::map<PodUid, KnownPod> pods_;
  ClusterObjects known_;
  Followed<api::ConfigMap> config_maps_{"configmaps"};
  Followed<api::Secret> secrets_{"secrets"};
  std::unique_ptr<Informer<api::Service>> services_;
  std::unique_ptr<Informer<api::RuntimeClass>> runtime_classes_;
  Registration services_timer_;
  std::set<PodUid> concerned_;
  bool flush_posted_ = false;
  bool stopped_ = false;
};

void ObjectCache::Core::takePods(const std::vector<api::PodPtr>& pods) {
  std::map<PodUid, KnownPod> next;
  for (const auto& pod : pods) {
    const PodUid uid(pod->metadata.uid);
    const auto known = pods_.find(uid);
    const bool same = known != pods_.end() && known->second.pod == pod;
    next[uid] = {pod, same ? known->second.references : objectReferences(*pod)};
  }
  pods_ = std::move(next);
}

void ObjectCache::Core::setPods(const std::vector<api::PodPtr>& pods) {
  if (stopped_) return;
  takePods(pods);
  Users config_maps, secrets;
  bool any_class = false;
  for (const auto& [uid, known] : pods_) {
    const std::string prefix = known.pod->metadata.namespace_ + "/";
    for (const auto& name : known.references.config_maps) config_maps[prefix + name].insert(uid);
    for (const auto& name : known.references.secrets) secrets[prefix + name].insert(uid);
    any_class = any_class || !known.references.runtime_class.empty();
  }
  follow(config_maps_, known_.config_maps, config_maps, secrets_.size());
  follow(secrets_, known_.secrets, secrets, config_maps_.size());
  if (!pods_.empty() && !services_) followServices();
  if (any_class && !runtime_classes_) followRuntimeClasses();
}

template <class T>
void ObjectCache::Core::follow(Followed<T>& followed, ObjectMap<T>& known, const Users& wanted,
                               size_t others) {
  const auto make = [this](const std::string& path, const std::string& selector) {
    return std::make_unique<Informer<T>>(loop_, decoder_, client_,
                                         api::client::Collection{path, selector, ""}, settings_.follow);
  };
  // Informers end with *this, and their callbacks with them.
  const auto told = [this, &followed, &known](const std::string& key, std::shared_ptr<const T> object) {
    const auto before = known.find(key);
    if (before != known.end() && before->second == object) return;
    const bool is_final = object && object->immutable.value_or(false);
    known.insert_or_assign(key, std::move(object));
    if (const auto* users = followed.users(key)) concerned_.insert(users->begin(), users->end());
    flushSoon();
    // Not from inside of its own callback.
    if (is_final)
      onLoop([&followed, &known, key](Core&) {
        const auto now = known.find(key);  // it may have been dropped and followed anew meanwhile
        if (now != known.end() && now->second && now->second->immutable.value_or(false))
          followed.endFollowing(key);
      });
  };
  const auto dropped = [this, &known](const std::string& key, const std::shared_ptr<const T>&) {
    known.erase(key);
    flushSoon();
  };
  const size_t room = settings_.max_objects - std::min(settings_.max_objects, others);
  followed.set(wanted, room, make, told, dropped);
}

void ObjectCache::Core::followServices() {
  services_ = std::make_unique<Informer<api::Service>>(
      loop_, decoder_, client_, api::client::Collection{"/api/v1/services", "", ""}, settings_.follow);
  services_->start([this](const std::vector<Change<api::Service>>&) {
    const auto take = [this] {
      known_.services = std::make_shared<const ObjectMap<api::Service>>(services_->objects());
      flushSoon();
    };
    if (!known_.services) {
      // Every pod waits for the first list.
      for (const auto& [uid, pod] : pods_) concerned_.insert(uid);
      return take();
    }
    if (!services_timer_.active()) {
      services_timer_ = loop_.after(kServicesDelay, [this, take] {
        take();
        services_timer_.reset();
      });
    }
  });
}

void ObjectCache::Core::followRuntimeClasses() {
  runtime_classes_ = std::make_unique<Informer<api::RuntimeClass>>(
      loop_, decoder_, client_, api::client::Collection{"/apis/node.k8s.io/v1/runtimeclasses", "", ""},
      settings_.follow);
  runtime_classes_->start([this](const std::vector<Change<api::RuntimeClass>>&) {
    known_.runtime_classes =
        std::make_shared<const ObjectMap<api::RuntimeClass>>(runtime_classes_->objects());
    for (const auto& [uid, pod] : pods_) {
      if (!pod.references.runtime_class.empty()) concerned_.insert(uid);
    }
    flushSoon();
  });
}

void ObjectCache::Core::flushSoon() {
  if (std::exchange(flush_posted_, true)) return;
  onLoop([](Core& self) { self.flush(); });
}

void ObjectCache::Core::flush() {
  flush_posted_ = false;
  auto store = std::make_shared<ObjectStore>();
  store->cluster = std::make_shared<const ClusterObjects>(known_);
  const auto concerned = std::exchange(concerned_, {});
  changed_(std::move(store), {concerned.begin(), concerned.end()});
}

void ObjectCache::Core::stop() {
  stopped_ = true;
  config_maps_.clear();
  secrets_.clear();
  services_.reset();
  runtime_classes_.reset();
  services_timer_.reset();
}

ObjectCache::ObjectCache(Loop& loop, Lane& decoder, api::client::ApiClient& client, Changed changed,
                         Settings settings)
    : core_(std::make_shared<Core>(loop, decoder, client, std::move(changed), std::move(settings))) {}

ObjectCache::~ObjectCache() { core_->stop(); }

void ObjectCache::setPods(const std::vector<api::PodPtr>& pods) { core_->setPods(pods); }
void ObjectCache::stop() { core_->stop(); }
ObjectCache::Stats ObjectCache::stats() const { return core_->stats(); }

}  // namespace keelson::kubelet::cluster
