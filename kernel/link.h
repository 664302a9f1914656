// Network links, addresses and routes of one namespace (rtnetlink(7)).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/executor.h"
#include "base/ip.h"
#include "base/result.h"
#include "kernel/netlink.h"

struct nl_sock;

namespace keelson::kernel {

using MacAddress = std::array<uint8_t, 6>;

// ---- what is there ----

struct Link {
  int index = 0;
  std::string name;
  std::string kind;  // "bridge", "veth", ...; "" for a plain device
  std::string alias;
  bool up = false;  // wanted up (IFF_UP)
  bool carries =
      false;       // operationally up: frames sent now arrive (RFC 2863; the kernel gets there some ms later)
  int master = 0;  // index of the bridge it is a port of; 0: none
  int peer = 0;    // of a veth: index of its other end, in that end's namespace
  uint32_t mtu = 0;
  MacAddress mac{};
};

struct LinkAddress {
  int link = 0;
  IpAddress address;
  uint8_t prefix_length = 0;
  auto operator<=>(const LinkAddress&) const = default;
};

struct DefaultRoute {
  int link = 0;
  std::optional<IpAddress> gateway;
};

// ---- what may be changed ----

struct CreateBridge {  // up at once; kAlreadyExists
  std::string name;
  MacAddress mac{};  // fixed: else it would follow its ports and spoil the neighbours' caches
  uint32_t mtu = 0;
};
// `name` with index `index` in the socket's namespace, its peer in `peer_netns`. Both down.
// kAlreadyExists if either name (or the index) is taken.
struct CreateVeth {
  std::string name;
  int index = 0;  // chosen here, so that later changes of the same batch can name it
  MacAddress mac{};
  uint32_t mtu = 0;
  std::string peer;
  int peer_netns = -1;
};
struct SetLinkUp {
  int link = 0;
};
// Makes a link a port of a bridge and takes it up, named by name since its index is another namespace's gift.
struct JoinBridge {
  std::string link;
  int bridge = 0;
  std::string alias;  // shown by `ip link`, at most 255 bytes
};
// Frames may leave by the port they came in by: a pod reaches itself through a Service.
struct SetHairpin {
  int link = 0;
};
// An IPv6 address is usable at once (no duplicate address detection). kAlreadyExists.
struct AddAddress {
  LinkAddress address;
};
struct AddDefaultRoute {  // kAlreadyExists if one with the same metric is there
  int link = 0;
  IpAddress gateway;
};
struct RemoveLink {  // waits some 16 ms for a veth (RCU); kNotFound
  int link = 0;
};

using LinkChange = std::variant<CreateBridge, CreateVeth, SetLinkUp, JoinBridge, SetHairpin, AddAddress,
                                AddDefaultRoute, RemoveLink>;

std::string renderLinkChange(const LinkChange& change);

// Links of one namespace. Each call is a conversation with the kernel that waits for the rtnl
// lock inside sendmsg, whatever the deadline. One thread at a time; a handle; cheap to open (20 us).
class LinkSocket {
 public:
  static Result<LinkSocket> open(int netns = kOwnNetns);
  LinkSocket(LinkSocket&&) noexcept;
  LinkSocket& operator=(LinkSocket&&) noexcept;
  ~LinkSocket();

  Result<std::optional<Link>> find(const std::string& name);
  Result<std::vector<Link>> links();
  Result<std::vector<LinkAddress>> addresses();
  // The default route of lowest metric in the main table.
  Result<std::optional<DefaultRoute>> defaultRoute(IpFamily family);

  // All changes in one datagram, in order. The kernel goes on after a refused one, so this is no
  // transaction: the first refusal is returned, named, and the caller undoes.
  Result<void> apply(const std::vector<LinkChange>& changes, Stop& stop);

 private:
  LinkSocket(NetlinkSocket raw, nl_sock* sock);

  NetlinkSocket raw_;  // sends apply()'s batches
  nl_sock* sock_;      // libnl's view of a second socket: requests and dumps
};

// Hears of links and addresses that appear, change and vanish. Any one thread; a handle.
class LinkWatch {
 public:
  static Result<LinkWatch> open(int netns = kOwnNetns);

  int fd() const { return socket_.fd(); }  // readable when something changed; non-blocking

  // What happened since the last call. `lost`: more than the socket held, so look at everything.
  struct Changes {
    std::vector<Link> changed;         // links as they are now (new ones too)
    std::vector<std::string> removed;  // names
    std::vector<LinkAddress> lost_addresses;
    bool lost = false;
  };
  Changes drain();

 private:
  explicit LinkWatch(NetlinkSocket socket) : socket_(std::move(socket)) {}
  NetlinkSocket socket_;
};

}  // namespace keelson::kernel
