#include "kubelet/manifest_folder.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fs.h"

namespace keelson::kubelet {
namespace {

bool sameTime(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

std::string baseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Puts an object that is no pod into the store; false if its name is taken.
struct Storing {
  ObjectStore& store;

  template <class T>
  static bool put(std::map<std::string, std::shared_ptr<const T>>& map, const std::string& key,
                  const T& value) {
    return map.emplace(key, std::make_shared<const T>(value)).second;
  }
  static std::string key(const api::ObjectMeta& metadata) {
    return metadata.namespace_ + "/" + metadata.name;
  }

  bool operator()(const api::ConfigMap& one) const { return put(store.config_maps, key(one.metadata), one); }
  bool operator()(const api::Secret& one) const { return put(store.secrets, key(one.metadata), one); }
  bool operator()(const api::Service& one) const { return put(store.services, key(one.metadata), one); }
  bool operator()(const api::RuntimeClass& one) const {
    return put(store.runtime_classes, one.metadata.name, one);
  }
  template <class T>
  bool operator()(const T&) const {
    return true;  // nothing here acts on it
  }
};

void addError(ManifestView& view, const std::string& error) {
  if (!view.error.empty()) view.error += "; ";
  view.error += error;
}

// The pod without what the time of reading puts into it.
api::Pod timeless(api::Pod pod) {
  pod.metadata.creation_timestamp.reset();
  pod.metadata.annotations.erase(kConfigSeen);
  return pod;
}

bool samePod(const api::Pod& a, const api::Pod& b) {
  const api::Pod left = timeless(a), right = timeless(b);
  return left.metadata == right.metadata && left.spec == right.spec;
}

// Only images of a running pod can change; a fixed uid says that it is the same pod.
bool differsInImagesOnly(const api::Pod& before, const api::Pod& after) {
  api::Pod patched = after;
  if (before.spec.containers.size() != after.spec.containers.size() ||
      before.spec.init_containers.size() != after.spec.init_containers.size()) {
    return false;
  }
  for (size_t i = 0; i < patched.spec.containers.size(); ++i) {
    patched.spec.containers[i].image = before.spec.containers[i].image;
    patched.spec.containers[i].image_pull_policy = before.spec.containers[i].image_pull_policy;
  }
  for (size_t i = 0; i < patched.spec.init_containers.size(); ++i) {
    patched.spec.init_containers[i].image = before.spec.init_containers[i].image;
    patched.spec.init_containers[i].image_pull_policy = before.spec.init_containers[i].image_pull_policy;
  }
  return samePod(before, patched);
}

}  // namespace

ManifestFolder::ManifestFolder(std::string path, std::string node_name)
    : path_(std::move(path)), node_name_(std::move(node_name)) {}

bool ManifestFolder::Signature::operator==(const Signature& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         sameTime(modified, other.modified) && sameTime(changed, other.changed);
}

std::string ManifestFolder::pathOf(const std::string& name) const {
  return single_file_ ? path_ : path_ + "/" + name;
}

void ManifestFolder::seed(const ManifestSnapshot::Entry& entry) {
  const std::string name = baseName(entry.file);
  if (entry.file != path_ && entry.file != path_ + "/" + name) return;
  files_[name].good.pods.push_back({entry.pod, false});
  accepted_.insert(name + "\n" + entry.pod->metadata.uid);
}

Result<std::map<std::string, ManifestFolder::Signature>> ManifestFolder::list() const {
  std::map<std::string, Signature> found;
  const auto add = [&](const std::string& name, const struct stat& info) {
    if (S_ISREG(info.st_mode)) {
      found[name] = {info.st_dev, info.st_ino, info.st_size, info.st_mtim, info.st_ctim};
    }
  };
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return sysError("manifests {}", path_);
  if (S_ISREG(info.st_mode)) {
    add(baseName(path_), info);
    return found;
  }
  const DirFd dir = TRY_CTX(DirFd::open(path_), "manifests");
  for (const auto& entry : TRY_CTX(dir.list(kMaxManifestFiles), "manifests {}", path_)) {
    if (entry.name.front() == '.') continue;
    // Links to files count as files; one that leads nowhere is as good as absent.
    if (::fstatat(dir.get(), entry.name.c_str(), &info, 0) == 0) add(entry.name, info);
  }
  return found;
}

void ManifestFolder::keepUnchanged(const ManifestContent& before, ManifestContent& after) const {
  for (auto& pod : after.pods) {
    for (const auto& known : before.pods) {
      if (known.pod->metadata.uid != pod.pod->metadata.uid) continue;
      if (samePod(*known.pod, *pod.pod)) pod.pod = known.pod;
    }
  }
}

void ManifestFolder::readFile(const std::string& name, File& file, WallTime now) {
  const std::string path = pathOf(name);
  file.read = file.seen;
  file.was_read = true;
  file.read_at = now;
  const auto text = keelson::readFile(path, api::kMaxManifestBytes);
  if (!text) {
    file.error = text.error().text;
    return;
  }
  auto content = readManifest(*text, node_name_, path, now);
  if (!content) {
    file.error = content.error().text;
    return;
  }
  for (const auto& pod : content->pods) {
    for (const auto& known : file.good.pods) {
      const bool same_uid = pod.uid_given && known.pod->metadata.uid == pod.pod->metadata.uid;
      if (same_uid && !samePod(*known.pod, *pod.pod) && !differsInImagesOnly(*known.pod, *pod.pod)) {
        file.error = fmt::format("Pod {}: only images can change while metadata.uid stays {}",
                                 api::podFullName(*pod.pod), pod.pod->metadata.uid);
        return;
      }
    }
  }
  keepUnchanged(file.good, *content);
  file.good = std::move(*content);
  file.error.clear();
}

Result<std::shared_ptr<const ManifestSnapshot>> ManifestFolder::scan(const std::set<std::string>& complete,
                                                                     WallTime now) {
  struct stat info {};
  single_file_ = ::stat(path_.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  const auto found = TRY(list());
  std::erase_if(files_, [&](const auto& file) { return !found.count(file.first); });
  bool unsettled = false;
  for (const auto& [name, signature] : found) {
    const bool is_new = !files_.count(name);
    File& file = files_[name];
    const bool same_as_before = !is_new && file.seen == signature;
    file.seen = signature;
    if (file.was_read && file.read == signature) continue;
    if (first_ || complete.count(name) || same_as_before) {
      readFile(name, file, now);
    } else {
      unsettled = true;
    }
  }
  first_ = false;
  return combine(unsettled);
}

std::shared_ptr<const ManifestSnapshot> ManifestFolder::combine(bool unsettled) {
  auto snapshot = std::make_shared<ManifestSnapshot>();
  snapshot->unsettled = unsettled;
  auto store = std::make_shared<ObjectStore>();
  std::map<std::string, ManifestView> views;
  for (const auto& [name, file] : files_) {
    ManifestView& view = views[name];
    view.file = pathOf(name);
    view.error = file.error;
    view.read_at = file.read_at;
    for (const auto& object : file.good.others) {
      const std::string title = api::objectTitle(object);
      if (std::visit(Storing{*store}, object)) {
        view.objects.push_back(title);
      } else {
        addError(view, title + ": FailedValidation: another file has an object of this name");
      }
    }
  }
  std::map<std::string, std::string> names, uids;  // -> the file that has it
  std::set<std::string> accepted;
  // What is in use already goes first, so that a copy of a file does not take over its pod.
  for (const bool in_use : {true, false}) {
    for (const auto& [name, file] : files_) {
      ManifestView& view = views[name];
      for (const auto& pod : file.good.pods) {
        const std::string mark = name + "\n" + pod.pod->metadata.uid;
        if (accepted_.count(mark) != static_cast<size_t>(in_use)) continue;
        const std::string title = "Pod " + api::podFullName(*pod.pod);
        const auto same_name = names.find(api::podFullName(*pod.pod));
        const auto same_uid = uids.find(pod.pod->metadata.uid);
        if (same_name != names.end() || same_uid != uids.end()) {
          addError(view,
                   fmt::format("{}: FailedValidation: pod name conflicts with one in {}", title,
                               pathOf(same_name != names.end() ? same_name->second : same_uid->second)));
          continue;
        }
        if (const auto missing = missingReferences(*pod.pod, *store); !missing.empty() && !in_use) {
          addError(view, fmt::format("{}: refers to {}, which is not in the manifest folder", title,
                                     missing.front()));
          continue;
        }
        names[api::podFullName(*pod.pod)] = name;
        uids[pod.pod->metadata.uid] = name;
        accepted.insert(mark);
        view.objects.push_back(title);
        snapshot->pods.push_back({pod.pod, view.file});
      }
    }
  }
  accepted_ = std::move(accepted);
  for (auto& [name, view] : views) snapshot->views.push_back(std::move(view));
  snapshot->objects = std::move(store);
  return snapshot;
}

}  // namespace keelson::kubelet
