#include "kernel/netns.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "tests/root/fixture.h"

namespace keelson::kernel {
namespace {

// A new network namespace, made by a thread that ends.
UniqueFd makeNetns() {
  UniqueFd made;
  std::thread([&made] {
    auto own = unshare(CLONE_NEWNET) == 0 ? openOwnNetns() : Result<UniqueFd>(UniqueFd());
    if (own) made = std::move(own).value();
  }).join();
  return made;
}

ino_t inodeOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

bool loopbackIsUp(int socket) {
  ifreq request{};
  request.ifr_name[0] = 'l', request.ifr_name[1] = 'o';
  return ioctl(socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

ROOT_TEST(Netns, SocketsOpenInsideAndTheCallerStaysOutside) {
  const UniqueFd other = makeNetns();
  ASSERT_TRUE(other.valid());
  auto before = openOwnNetns();
  ASSERT_TRUE(before.ok());
  EXPECT_NE(inodeOf(before->get()), inodeOf(other.get()));

  auto inside = openSocket(other.get(), AF_INET, SOCK_DGRAM, 0);
  ASSERT_TRUE(inside.ok()) << inside.error().text;
  auto outside = openSocket(before->get(), AF_INET, SOCK_DGRAM, 0);
  ASSERT_TRUE(outside.ok()) << outside.error().text;
  EXPECT_FALSE(loopbackIsUp(inside->get()));  // a new namespace's is down
  EXPECT_TRUE(loopbackIsUp(outside->get()));
  EXPECT_EQ(inodeOf(openOwnNetns()->get()), inodeOf(before->get()));
}

ROOT_TEST(Netns, RefusesDescriptorsThatAreNoNetworkNamespace) {
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(openSocket(file.get(), AF_INET, SOCK_DGRAM, 0).error().sys, EINVAL);
  EXPECT_EQ(openSocket(-1, AF_INET, SOCK_DGRAM, 0).error().sys, EBADF);
}

}  // namespace
}  // namespace keelson::kernel
