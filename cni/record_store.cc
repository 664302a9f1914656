#include "cni/record_store.h"

#include <sys/stat.h>

#include <cstdio>

namespace keelson::cni {
namespace {

constexpr const char* kFile = "network.json";
constexpr const char* kBroken = "network.json.broken";
constexpr size_t kMaxFile = size_t{16} << 20;

}  // namespace

Result<std::unique_ptr<RecordStore>> RecordStore::open(const std::string& directory) {
  auto fd = TRY_CTX(DirFd::ensure(directory, 0700), "pod network records");
  auto boot = TRY_CTX(readFile("/proc/sys/kernel/random/boot_id", 128), "pod network records");
  while (!boot.empty() && boot.back() == '\n') boot.pop_back();
  return std::unique_ptr<RecordStore>(new RecordStore(std::move(fd), std::move(boot)));
}

Result<RecordStore::Loaded> RecordStore::load() {
  auto text = directory_.readFile(kFile, kMaxFile);
  if (!text && text.error().code == Code::kNotFound) return Loaded{};
  Loaded loaded;
  auto records = text ? parseRecords(*text, boot_) : Result<Records>(std::move(text).error());
  if (records) {
    loaded.records = std::move(records).value();
    return loaded;
  }
  loaded.broken = std::move(records).error().withContext(fmt::format("pod network records {}", kFile));
  if (::renameat(directory_.get(), kFile, directory_.get(), kBroken) != 0 && errno != ENOENT)
    return sysError("set aside broken {}", kFile);
  return loaded;
}

Result<void> RecordStore::save(uint64_t revision, const std::function<Snapshot()>& newest) {
  return written_.with([&](uint64_t& written) -> Result<void> {
    if (written >= revision) return {};
    const Snapshot snapshot = newest();
    TRY_CTX(directory_.writeFileAtomic(kFile, renderRecords(snapshot.records, boot_)), "pod network records");
    written = snapshot.revision;
    return {};
  });
}

}  // namespace keelson::cni
