#include "runtime/shim_links.h"

#include <sys/eventfd.h>
#include <sys/wait.h>

#include <utility>

namespace keelson::runtime {

void reap(int pidfd) {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 && errno == EINTR) {
  }
}

void ShimLinks::setListener(std::function<void(const PodUid&)> listener) {
  listener_.exchange(std::move(listener));
}

void ShimLinks::notify(const PodUid& uid) {
  watch_.post([this, uid] {
    const auto listener = listener_.copy();
    if (listener) listener(uid);
  });
}

void ShimLinks::adopt(const PodUid& uid, ShimClient client) {
  const auto link = linkOf(uid);
  link->with([&](Link& held) {
    unwatch(held);
    held.client = std::move(client);
    watch(uid, held);
  });
}

void ShimLinks::drop(const PodUid& uid) {
  const auto link = links_.with([&](auto& links) -> SharedLink {
    const auto found = links.find(uid);
    if (found == links.end()) return nullptr;
    SharedLink taken = std::move(found->second);
    links.erase(found);
    return taken;
  });
  if (!link) return;
  link->with([&](Link& held) {
    unwatch(held);
    held.client.reset();
  });
}

ShimLinks::SharedLink ShimLinks::linkOf(const PodUid& uid) {
  return links_.with([&](auto& links) {
    auto& link = links[uid];
    if (!link) link = std::make_shared<Guarded<Link>>();
    return link;
  });
}

Result<void> ShimLinks::connect(const PodUid& uid, Link& link, Stop& stop) {
  if (link.client && !link.client->broken() && !link.client->hasEnded()) return {};
  unwatch(link);
  link.client.reset();
  auto client = [&]() -> Result<ShimClient> {
    const DirFd run_folder = TRY(openRunFolder(run_dir_, uid));
    return ShimClient::connect(run_folder, stop);
  }();
  if (!client && client.error().code == Code::kNotFound) {
    return makeError(Code::kFailedPrecondition, "the sandbox is not ready: {}", client.error().text);
  }
  if (!client) return std::move(client).error();
  link.client = std::move(client).value();
  watch(uid, link);
  return {};
}

void ShimLinks::watch(const PodUid& uid, Link& link) {
  const auto changed = link.client->changed();
  const auto process = link.client->process();
  const auto tell = [this, uid] {
    const auto listener = listener_.copy();
    if (listener) listener(uid);
  };
  link.changed = watch_.add(changed, [changed, tell] {
    eventfd_t count = 0;
    (void)::eventfd_read(changed->get(), &count);
    tell();
  });
  link.ended = watch_.addOnce(process, [process, tell] {
    reap(process->get());
    tell();
  });
}

void ShimLinks::unwatch(Link& link) {
  if (link.changed != 0) watch_.remove(std::exchange(link.changed, 0));
  if (link.ended != 0) watch_.remove(std::exchange(link.ended, 0));
}

}  // namespace keelson::runtime
