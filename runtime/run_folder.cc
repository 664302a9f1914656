#include "runtime/run_folder.h"

#include <dirent.h>

#include <algorithm>

#include "runtime/shim_client.h"
#include "runtime/wire.h"

namespace keelson::runtime {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kIdBytes = 64;

bool isWordByte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
         c == '.';
}

bool isHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

Result<void> removeRecord(const DirFd& run_folder, const char* directory, const ContainerId& id) {
  TRY(checkId(id));
  auto dir = run_folder.openDir(directory);
  if (!dir) return dir.error().code == Code::kNotFound ? Result<void>() : std::move(dir).error();
  return dir->removeFile(id.str());
}

template <class T>
std::vector<T> readRecords(const DirFd& run_folder, const char* directory) {
  std::vector<T> all;
  const auto dir = run_folder.openDir(directory);
  if (!dir) return all;
  const auto entries = dir->list(kMaxContainersOfPod);
  if (!entries) return all;
  for (const auto& entry : *entries) {
    if (!checkId(ContainerId(entry.name))) continue;  // one in the making: ".<id>.tmp-..."
    const auto text = dir->readFile(entry.name, kMaxRecordBytes);
    if (!text) continue;
    auto record = decodeWire<T>(*text);
    if (record && record->id == entry.name) all.push_back(std::move(record).value());
  }
  return all;
}

}  // namespace

bool isPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), isWordByte);
}

Result<void> checkUid(const PodUid& uid) {
  if (isPlainName(uid.str())) return {};
  return makeError(Code::kInvalidArgument, "\"{}\" is not a pod's uid", uid.str());
}

Result<void> checkId(const ContainerId& id) {
  if (id.str().size() == kIdBytes && std::all_of(id.str().begin(), id.str().end(), isHex)) return {};
  return makeError(Code::kInvalidArgument, "\"{}\" is not a container's id", id.str());
}

Result<DirFd> ensurePodsFolder(const std::string& run_dir) {
  const DirFd run = TRY(DirFd::ensure(run_dir));
  return run.ensureDir("pods", 0700);
}

Result<DirFd> openRunFolder(const std::string& run_dir, const PodUid& uid) {
  TRY(checkUid(uid));
  const DirFd run = TRY(DirFd::open(run_dir));
  return run.openDir("pods/" + uid.str());
}

Result<std::vector<PodUid>> listRunFolders(const std::string& run_dir) {
  const DirFd pods = TRY(ensurePodsFolder(run_dir));
  std::vector<PodUid> uids;
  for (const auto& entry : TRY(pods.list(kMaxPods))) {
    if (entry.type == DT_DIR && isPlainName(entry.name)) uids.emplace_back(entry.name);
  }
  return uids;
}

bool isOfBoot(const DirFd& run_folder, const std::string& boot_id) {
  const auto identity = readShimIdentity(run_folder);
  return !identity || identity->boot_id == boot_id;
}

Result<SavedSandbox> readSandbox(const DirFd& run_folder) {
  return decodeWire<SavedSandbox>(TRY(run_folder.readFile(kSandboxFile, kMaxRecordBytes)));
}

Result<void> writeSandbox(const DirFd& run_folder, const SavedSandbox& saved) {
  return run_folder.writeFileAtomic(kSandboxFile, encodeWire(saved));
}

Result<void> writePlan(const DirFd& run_folder, const SavedContainer& saved) {
  const DirFd plans = TRY(run_folder.ensureDir(kPlansDirectory, 0700));
  return plans.writeFileAtomic(saved.id, encodeWire(saved));
}

Result<SavedContainer> readPlan(const DirFd& run_folder, const ContainerId& id) {
  TRY(checkId(id));
  auto saved = TRY(decodeWire<SavedContainer>(
      TRY(run_folder.readFile(std::string(kPlansDirectory) + "/" + id.str(), kMaxRecordBytes))));
  if (saved.id != id.str()) return makeError(Code::kDataLoss, "plan of {} is another container's", id.str());
  return saved;
}

Result<void> removePlan(const DirFd& run_folder, const ContainerId& id) {
  return removeRecord(run_folder, kPlansDirectory, id);
}

std::vector<SavedContainer> readPlans(const DirFd& run_folder) {
  return readRecords<SavedContainer>(run_folder, kPlansDirectory);
}

std::vector<ContainerId> listPlans(const DirFd& run_folder) {
  std::vector<ContainerId> ids;
  const auto dir = run_folder.openDir(kPlansDirectory);
  if (!dir) return ids;
  const auto entries = dir->list(kMaxContainersOfPod);
  if (!entries) return ids;
  for (const auto& entry : *entries) {
    const ContainerId id(entry.name);
    if (checkId(id)) ids.push_back(id);
  }
  return ids;
}

std::vector<ContainerRecord> readExits(const DirFd& run_folder) {
  return readRecords<ContainerRecord>(run_folder, kExitsDirectory);
}

Result<void> writeExit(const DirFd& run_folder, const ContainerRecord& record) {
  const DirFd exits = TRY(run_folder.ensureDir(kExitsDirectory, 0700));
  return exits.writeFileAtomic(record.id, encodeWire(record));
}

Result<void> removeExit(const DirFd& run_folder, const ContainerId& id) {
  return removeRecord(run_folder, kExitsDirectory, id);
}

ObservedContainer observed(const ContainerRecord& record) {
  ObservedContainer container;
  container.id = ContainerId(record.id);
  container.name = record.name;
  container.attempt = record.attempt;
  container.running = record.running;
  container.pid = record.pid;
  container.started_at = fromWire(record.started_at);
  container.finished_at = fromWire(record.finished_at);
  container.exit_code = record.exit_code;
  container.signal = record.signal;
  container.oom_killed = record.oom_killed;
  container.started = record.started;
  container.error = record.error;
  container.dropped_log_lines = record.dropped_log_lines;
  return container;
}

int64_t toWire(WallTime time) { return time.time_since_epoch().count(); }
WallTime fromWire(int64_t nanoseconds) { return WallTime(Duration(nanoseconds)); }

}  // namespace keelson::runtime
