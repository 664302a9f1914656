// Who has which addresses, host link and host ports: the pod network's only memory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cni/ipam.h"
#include "cni/pod_network.h"

namespace keelson::cni {

struct PodRecord {
  PodUid uid;
  std::string full_name;
  std::vector<IpAddress> addresses;  // one a range, in the ranges' order
  std::string host_link;             // name of the veth's host end
  std::vector<PortMapping> ports;
  bool operator==(const PodRecord&) const = default;
};

// A plain value. On disk:
//
//   {"version": 1, "boot": "<boot_id>", "last": ["10.244.0.7"],
//    "pods": [{"uid": "...", "name": "ns/name", "addresses": ["10.244.0.7"], "link": "veth...",
//              "ports": [{"protocol": "TCP", "host_port": 80, "container_port": 8080, "host_ip": ""}]}]}
struct Records {
  std::map<PodUid, PodRecord> pods;
  std::vector<IpAddress> last;  // last address handed out of each range
};

// What a pod asks for, and the addresses its eth0 already has (they are kept if they fit and are free).
struct Reservation {
  PodUid uid;
  std::string full_name;
  std::vector<PortMapping> ports;
  std::vector<IpAddress> present;
};

// The record of `want.uid`: the one it has, with the ports asked for now, or a new one. Pure: the caller
// stores it. kResourceExhausted (addresses), kAlreadyExists (a host port that another pod has, named),
// kInvalidArgument (a port that cannot be).
Result<PodRecord> planReservation(const Records& records, const std::vector<AddressRange>& ranges,
                                  const Reservation& want);

// The name of the host end for attempt 0, 1, ...: "veth" and 11 hex digits of a hash of the uid.
std::string hostLinkName(const PodUid& uid, int attempt);

// The host link's alias, by which it is known to be ours and whose: "keelson-pod UID ADDRESSES NAME".
std::string renderAlias(const PodRecord& record);
// The record that an alias tells of (without ports); nothing if it is not one of ours.
std::optional<PodRecord> parseAlias(std::string_view alias, const std::string& link_name);

std::string renderRecords(const Records& records, std::string_view boot);
// Records of another boot are gone with their namespaces: only `last` is kept. kDataLoss for text
// that is not in this form.
Result<Records> parseRecords(std::string_view text, std::string_view boot);

// IP protocol number of "TCP", "UDP", "SCTP"; nothing for other names.
std::optional<uint8_t> protocolNumber(std::string_view name);
// True if no specific address is meant ("", "0.0.0.0", "::").
bool isAnyHost(const std::string& host_ip);

}  // namespace keelson::cni
