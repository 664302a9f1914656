#include "kubelet/log_files.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <optional>

#include "base/fs.h"
#include "kubelet/text.h"

namespace keelson::kubelet {
namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxEntries = 1'000'000;

// nullopt if it is no link.
std::optional<std::string> readLink(const DirFd& dir, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(dir.get(), name.c_str(), target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<size_t>(length));
}

// "7.log" or "7.log.20260101-000000.gz" -> 7.
std::optional<uint32_t> attemptOf(const std::string& name) {
  uint32_t attempt = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), attempt);
  if (failed != std::errc() || attempt == UINT32_MAX) return std::nullopt;
  const std::string_view rest(end, static_cast<size_t>(name.data() + name.size() - end));
  if (rest != ".log" && rest.rfind(".log.", 0) != 0) return std::nullopt;
  return attempt;
}

// Whether a folder of logs is that of the pod: "<namespace>_<name>_<uid>". Only the uid may hold a '_'.
bool belongsTo(const std::string& folder, const PodUid& uid) {
  const size_t first = folder.find('_');
  const size_t second = first == std::string::npos ? first : folder.find('_', first + 1);
  return second != std::string::npos && folder.compare(second + 1, std::string::npos, uid.str()) == 0;
}

}  // namespace

std::string LogFiles::linkName(const Owner& owner, const std::string& container, const ContainerId& id) {
  std::string name = fmt::format("{}_{}_{}-{}", owner.name, owner.pod_namespace, container, id.str());
  return name.substr(0, kMaxNameBytes - 4) + ".log";
}

std::string LogFiles::containerDirectory(const Owner& owner, const std::string& container) const {
  return fmt::format("{}/{}/{}", pods_, podLogFolder(owner.pod_namespace, owner.name, owner.uid.str()),
                     container);
}

std::string LogFiles::file(const Owner& owner, const std::string& container, uint32_t attempt) const {
  return fmt::format("{}/{}.log", containerDirectory(owner, container), attempt);
}

Result<void> LogFiles::ensureLink(const Owner& owner, const std::string& container, const ContainerId& id,
                                  uint32_t attempt) const {
  const DirFd links = TRY_CTX(DirFd::ensure(containers_), "log links");
  const std::string name = linkName(owner, container, id);
  const std::string target = file(owner, container, attempt);
  if (::symlinkat(target.c_str(), links.get(), name.c_str()) == 0) return {};
  if (errno != EEXIST) return sysError("log link {}", name);
  if (readLink(links, name) == target) return {};
  TRY(links.removeFile(name));
  if (::symlinkat(target.c_str(), links.get(), name.c_str()) != 0) return sysError("log link {}", name);
  return {};
}

Result<void> LogFiles::removeInstance(const Owner& owner, const std::string& container, const ContainerId& id,
                                      uint32_t attempt) const {
  if (const auto links = DirFd::open(containers_)) TRY(links->removeFile(linkName(owner, container, id)));
  const auto dir = DirFd::open(containerDirectory(owner, container));
  if (!dir) return {};
  for (const auto& entry : TRY(dir->list(kMaxEntries))) {
    if (attemptOf(entry.name) == attempt) TRY(dir->removeFile(entry.name));
  }
  return {};
}

ErrorList LogFiles::removePod(const PodUid& uid) const {
  ErrorList errors;
  if (const auto links = DirFd::open(containers_)) {
    auto entries = links->list(kMaxEntries);
    if (!entries) errors.add(std::move(entries).error());
    for (const auto& entry : entries ? *entries : std::vector<DirEntry>()) {
      const auto target = readLink(*links, entry.name);
      if (!target || target->rfind(pods_ + "/", 0) != 0) continue;
      const std::string folder =
          target->substr(pods_.size() + 1, target->find('/', pods_.size() + 1) - pods_.size() - 1);
      if (belongsTo(folder, uid)) errors.add(links->removeFile(entry.name));
    }
  }
  if (const auto pods = DirFd::open(pods_)) {
    auto entries = pods->list(kMaxEntries);
    if (!entries) errors.add(std::move(entries).error());
    for (const auto& entry : entries ? *entries : std::vector<DirEntry>()) {
      if (belongsTo(entry.name, uid)) errors.add(pods->removeTree(entry.name));
    }
  }
  return errors;
}

ErrorList LogFiles::removeDeadLinks() const {
  ErrorList errors;
  const auto links = DirFd::open(containers_);
  if (!links) return errors;
  auto entries = links->list(kMaxEntries);
  if (!entries) {
    errors.add(std::move(entries).error());
    return errors;
  }
  for (const auto& entry : *entries) {
    const auto target = readLink(*links, entry.name);
    if (!target || target->rfind(pods_ + "/", 0) != 0) continue;
    if (::faccessat(links->get(), entry.name.c_str(), F_OK, 0) != 0 && errno == ENOENT) {
      errors.add(links->removeFile(entry.name));
    }
  }
  return errors;
}

uint32_t LogFiles::nextAttempt(const Owner& owner, const std::string& container) const {
  const auto dir = DirFd::open(containerDirectory(owner, container));
  if (!dir) return 0;
  const auto entries = dir->list(kMaxEntries);
  if (!entries) return 0;
  uint32_t next = 0;
  for (const auto& entry : *entries) {
    if (const auto attempt = attemptOf(entry.name)) next = std::max(next, *attempt + 1);
  }
  return next;
}

}  // namespace keelson::kubelet
