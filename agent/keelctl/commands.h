// keelctl's verbs, in kubectl's habits.
#pragma once

#include <string>
#include <vector>

#include "agent/keelctl/client.h"

namespace keelson::keelctl {

struct Common {
  std::string pod_namespace = "default";
  bool all_namespaces = false;
  std::string output;  // "", wide, json, yaml, name
};

Result<void> getPods(const Client& client, const Common& common, const std::vector<std::string>& names);
Result<void> getManifests(const Client& client, const Common& common);
Result<void> getNetwork(const Client& client, const Common& common);
Result<void> getHealth(const Client& client, const Common& common);
Result<void> getImages(const Client& client, const Common& common);
Result<void> describePod(const Client& client, const Common& common, const std::string& name);
Result<void> showTimeline(const Client& client, const Common& common, const std::string& name);
Result<void> top(const Client& client, const Common& common);

struct LogArguments {
  std::string pod, container;
  bool follow = false, previous = false, timestamps = false;
  std::string tail, since, limit_bytes;
};
Result<void> logs(const Client& client, const Common& common, const LogArguments& arguments);

// The container a command means when none is named: the pod's default one (annotation
// kubectl.kubernetes.io/default-container, else the first), told on standard error when there are several.
Result<std::string> chooseContainer(const Client& client, const std::string& pod_namespace,
                                    const std::string& pod);

Result<void> importImage(const Client& client, const std::string& file, const std::string& name);
Result<void> pullImage(const Client& client, const std::string& reference);
Result<void> removeImages(const Client& client, const std::vector<std::string>& references);

}  // namespace keelson::keelctl
