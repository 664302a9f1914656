// The kubelet: pods that should run here, kept running, and what is known about them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/pod.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/ids.h"
#include "cni/pod_network.h"
#include "kubelet/object_store.h"
#include "kubelet/pod_record.h"
#include "kubelet/token_source.h"
#include "runtime/host_path.h"
#include "runtime/images/image_service.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

// What the kubelet is told by configuration. Names follow KubeletConfiguration.
struct Options {
  std::string node_name;
  // For nodeSelector and node affinity at admission, until setNodeLabels().
  std::map<std::string, std::string> node_labels;
  std::vector<IpAddress> node_ips;  // hostIPs of pods
  std::string static_pod_path = "/etc/kubernetes/manifests";
  std::string root_dir = "/var/lib/kubelet";
  std::string pod_logs_dir = "/var/log/pods";
  std::string container_logs_dir = "/var/log/containers";
  std::string resolv_conf = "/etc/resolv.conf";
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  Duration file_check_frequency = std::chrono::seconds(20);
  Duration sync_frequency = std::chrono::minutes(1);
  Duration max_container_restart_period = std::chrono::seconds(300);
  int max_pods = 110;
  Bytes node_memory;
  Millicpu node_cpu;
  bool seccomp_default = false;
  int64_t container_log_max_size = 10 << 20;
  uint32_t container_log_max_files = 5;
  std::string seccomp_dir = "/var/lib/kubelet/seccomp";
  runtime::CgroupOptions cgroups;
  // What all pods together may have: applied to the request of the kubepods cgroup. Empty: no limit.
  std::function<runtime::CgroupRequest(runtime::CgroupRequest)> limit_pods;
  // Pods come from an API server too: pods that an earlier life got from there run on, and nothing of an
  // earlier life is torn down for want of a source, before the first setApiPods().
  bool wait_for_api = false;
};

// One line of a pod's timeline: a step with its duration, or the wait that goes on now.
struct TimelineEntry {
  WallTime at;
  Duration took{0};
  std::string step;     // "MakeSandbox", "StartContainer web", "exited web 137 OOMKilled", ...
  std::string outcome;  // "" is success, else the error's text
};

// PodView::source of pods that the API server gave.
inline constexpr char kApiSource[] = "api";

// An event as Kubernetes has them; a bounded list of them is kept with each pod.
struct Event {
  std::string type;  // Normal, Warning
  std::string reason;
  std::string message;
  std::string field_path;  // "spec.containers{web}" or ""
  int count = 1;
  WallTime first_seen, last_seen;
};

// A snapshot of one pod, immutable. Any thread.
struct PodView {
  api::PodPtr pod;     // status filled in with what is observed now
  std::string source;  // manifest file, or "api"
  bool terminating = false;
  bool observed = false;  // false: `pod.status` says nothing yet, nobody has looked at this pod in this life
  // Containers, volumes, cgroup and record are gone; `pod.status` is the last one. Such a view is kept as
  // long as the API server knows the pod.
  bool released = false;
  std::string current_wait;  // "image nginx:stable-alpine", "back-off 40s of container web", ...
  std::vector<TimelineEntry> timeline;
  std::vector<Event> events;
};

// One file of the manifest folder and what became of it.
struct ManifestView {
  std::string file;
  std::vector<std::string> objects;  // "Pod default/web-node1"
  std::string error;                 // "" if all of it is in use
  WallTime read_at;
};

// Effects the kubelet needs. All outlive it.
struct Dependencies {
  Loop& loop;
  Lane& pods;     // strands of pods
  Lane& images;   // pulls
  Lane& volumes;  // host paths and tear-down of trees
  Clock& clock;
  runtime::Runtime& runtime;
  runtime::ImageService& images_service;
  runtime::HostPaths& host_paths;
  cni::PodNetwork& network;
};

// Home: loop (start, stop); the views may be asked from any thread.
class Kubelet {
 public:
  virtual ~Kubelet() = default;

  // Reads what an earlier life left (records, run folders), then the manifests, then acts. The first
  // error that makes running pointless is returned (no manifest folder, no write access).
  virtual Result<void> start() = 0;
  // Sources closed, strands refuse, what runs now ends; pods run on.
  virtual void stop() = 0;

  virtual std::vector<std::shared_ptr<const PodView>> pods() const = 0;
  // By namespace and name; in standalone mode also without the "-<node>" suffix of static pods.
  // kNotFound, or kInvalidArgument with the candidates when it is ambiguous.
  virtual Result<std::shared_ptr<const PodView>> pod(const std::string& pod_namespace,
                                                     const std::string& name) const = 0;
  virtual std::vector<ManifestView> manifests() const = 0;

  // The instance of a container to read logs from or to exec in: the running one, or with
  // `previous` the one before. kNotFound, kFailedPrecondition with kubelet's messages.
  struct Instance {
    PodUid uid;
    ContainerId id;
    uint32_t attempt = 0;
    bool running = false;
    std::string log_directory;  // holds <attempt>.log and its rotated ones
  };
  enum class Which { kCurrent, kPrevious };
  virtual Result<Instance> instance(const std::string& pod_namespace, const std::string& name,
                                    const std::string& container, Which which) const = 0;

  // By uid, also waiting and released ones; nullptr if unknown. Loop.
  virtual std::shared_ptr<const PodView> podByUid(const PodUid& uid) const = 0;

  // All pods that the API server has for this node, each time something changed; mirror pods among them are
  // left out. A pod that is missing is ended by force; deletionTimestamp begins a deletion, whose grace
  // period can only shrink; a pod that is over already (phase Succeeded or Failed) is not started again. The
  // first call ends Options::wait_for_api. Loop.
  virtual void setApiPods(std::vector<api::PodPtr> pods) = 0;
  // The labels that pods are admitted by from now on. Loop.
  virtual void setNodeLabels(std::map<std::string, std::string> labels) = 0;
  // A further question to each new pod before the kubelet's own: pressure, a shutdown. Loop; called there.
  virtual void setAdmissionCheck(std::function<Admission(const api::Pod&)> check) = 0;
  // Ends the pod's containers within `grace` (at least 2 s) and leaves the pod in `ending.phase`, with the
  // condition DisruptionTarget (TerminationByKubelet). A pod that is over already stays as it is. False if
  // it is unknown. Loop.
  virtual bool evict(const PodUid& uid, Ending ending, Duration grace) = 0;
  // What is known of the API server's objects now (`cluster` of the store; the rest is the manifest folder's
  // and stays), and the pods that the change concerns: they are looked at. Before start() or on the loop.
  virtual void setObjects(ObjectStorePtr objects, const std::vector<PodUid>& concerned) = 0;
  // The objects that pods see now: the manifest folder's, and what is known of the API server's. Any thread.
  virtual ObjectStorePtr objects() const = 0;
  // Where service account tokens come from. Before start().
  virtual void setTokens(std::shared_ptr<TokenSource> tokens) = 0;
  // Has these pods looked at (a token was renewed). Unknown ones are fine. Loop.
  virtual void wake(const std::vector<PodUid>& uids) = 0;

  // These pods' links are gone (a foreign deletion): attach them again. Loop.
  virtual void reattach(const std::vector<PodUid>& uids) = 0;

  // Runs on the loop whenever a pod's view changed (for `keelctl get -w` and the API status).
  virtual void onPodChanged(std::function<void(const PodUid&)> listener) = 0;
  // Runs on the loop whenever objects of the manifest folder changed.
  virtual void onManifestsChanged(std::function<void()> listener) = 0;
  // Runs on the loop once for each occurrence of an event, also of like ones.
  virtual void onPodEvent(std::function<void(const api::PodPtr&, const Event&)> listener) = 0;
};

std::unique_ptr<Kubelet> makeKubelet(const Options& options, const Dependencies& dependencies);

}  // namespace keelson::kubelet
