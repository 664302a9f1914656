// The pod network of this node, as the kubelet sees it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/ids.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace keelson::cni {

struct PortMapping {     // one containers[].ports[] entry with a hostPort
  std::string protocol;  // TCP, UDP or SCTP
  uint16_t host_port = 0;
  uint16_t container_port = 0;
  std::string host_ip;  // "": all local addresses
  bool operator==(const PortMapping&) const = default;
};

struct AttachRequest {
  PodUid uid;
  std::string full_name;  // "namespace/name", for error texts and records
  int netns = -1;         // the pod's network namespace; the caller keeps it open
  std::vector<PortMapping> ports;
};

// Puts pods on the node's bridge and takes them off. Owns bridge, masquerade and host-port rules
// and the address records. Any thread; each call blocks at most until its deadline.
class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  // Bridge with its gateway address, forwarding sysctls, masquerade rules: puts back whatever is
  // missing, changes nothing that is right. Run at start and whenever a foreign change is noticed.
  virtual Result<void> ensureNode(Stop& stop) = 0;

  // veth, addresses, routes, host ports. May run twice: a pod keeps the addresses it was first given,
  // across daemon restarts, until detach(). kResourceExhausted when the range is used up.
  virtual Result<std::vector<IpAddress>> attach(const AttachRequest& request, Stop& stop) = 0;

  // Host ports and addresses are released (the veth dies with its namespace). Fine if absent.
  virtual Result<void> detach(const PodUid& uid, Stop& stop) = 0;

  // At start: releases what belongs to no uid in `live` (addresses, links, rule elements).
  virtual Result<void> reconcile(const std::set<PodUid>& live, Stop& stop) = 0;

  // One line a pod for `keelctl get network`.
  struct Entry {
    PodUid uid;
    std::string full_name;
    std::vector<IpAddress> addresses;
    std::string host_link;  // name of the veth's host end
  };
  virtual std::vector<Entry> list() const = 0;
};

}  // namespace keelson::cni
