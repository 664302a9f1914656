#include "kubelet/node/machine_facts.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/fs.h"

namespace keelson::kubelet::node {
namespace {

constexpr size_t kMaxFact = size_t{256} << 10;
constexpr size_t kMaxHugepageSizes = 64;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The first of these files that can be read and says something.
std::string firstOf(const std::string& host, std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    auto text = readFile(host + path, kMaxFact);
    if (!text) continue;
    std::string value = trimmed(*text);
    value.erase(std::remove(value.begin(), value.end(), '\0'), value.end());  // device tree texts end in NUL
    if (!value.empty()) return value;
  }
  return "";
}

std::optional<int64_t> numberAt(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  text.remove_prefix(first);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  return value;
}

// A line "MemTotal:   16314680 kB" of proc_meminfo(5).
std::optional<Bytes> meminfo(const std::string& text, const std::string& field) {
  const auto at = text.find(field + ":");
  if (at == std::string::npos) return std::nullopt;
  const auto kilobytes = numberAt(std::string_view(text).substr(at + field.size() + 1));
  if (!kilobytes || *kilobytes > INT64_MAX / 1024) return std::nullopt;
  return Bytes{*kilobytes * 1024};
}

std::map<int64_t, Bytes> readHugepages(const std::string& host) {
  std::map<int64_t, Bytes> found;
  const std::string folder = host + "/sys/kernel/mm/hugepages";
  const auto directory = DirFd::open(folder);
  if (!directory) return found;  // a kernel without CONFIG_HUGETLBFS
  const auto entries = directory->list(kMaxHugepageSizes);
  if (!entries) return found;
  for (const DirEntry& entry : *entries) {
    constexpr std::string_view kPrefix = "hugepages-";
    if (!entry.name.starts_with(kPrefix)) continue;
    const auto kilobytes = numberAt(std::string_view(entry.name).substr(kPrefix.size()));
    const auto pages = numberAt(firstOf(folder, {("/" + entry.name + "/nr_hugepages").c_str()}));
    if (!kilobytes || *kilobytes == 0 || !pages) continue;
    if (*pages > INT64_MAX / 1024 / *kilobytes) continue;
    found[*kilobytes * 1024] = Bytes{*pages * *kilobytes * 1024};
  }
  return found;
}

Result<Bytes> fileSystemSize(const std::string& path) {
  struct statvfs stats {};
  if (::statvfs(path.c_str(), &stats) != 0) return sysError("size of the file system of {}", path);
  return Bytes{static_cast<int64_t>(stats.f_blocks) * static_cast<int64_t>(stats.f_frsize)};
}

}  // namespace

std::string goArchitecture(const std::string& machine) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames{{
      {"x86_64", "amd64"},
      {"aarch64", "arm64"},
      {"armv7l", "arm"},
      {"armv6l", "arm"},
      {"i686", "386"},
      {"ppc64le", "ppc64le"},
      {"s390x", "s390x"},
      {"riscv64", "riscv64"},
  }};
  for (const auto& [kernel, go] : kNames)
    if (machine == kernel) return std::string(go);
  return machine;
}

std::string prettyName(const std::string& os_release) {
  constexpr std::string_view kKey = "PRETTY_NAME=";
  for (size_t from = 0; from < os_release.size();) {
    const size_t end = std::min(os_release.find('\n', from), os_release.size());
    const std::string line = trimmed(os_release.substr(from, end - from));
    from = end + 1;
    if (!line.starts_with(kKey)) continue;
    std::string value = line.substr(kKey.size());
    if (value.size() < 2 || (value[0] != '"' && value[0] != '\'') || value.back() != value[0]) return value;
    std::string out;
    for (size_t i = 1; i + 1 < value.size(); ++i) {
      if (value[0] == '"' && value[i] == '\\' && i + 2 < value.size()) ++i;  // shell quoting, os-release(5)
      out += value[i];
    }
    return out;
  }
  return "";
}

Result<MachineFacts> readMachineFacts(const std::string& root_dir, const std::string& host) {
  MachineFacts facts;
  facts.machine_id = firstOf(host, {"/etc/machine-id", "/var/lib/dbus/machine-id"});
  facts.system_uuid =
      firstOf(host, {"/sys/class/dmi/id/product_uuid", "/proc/device-tree/system-id",
                     "/proc/device-tree/vm,uuid", "/etc/machine-id", "/var/lib/dbus/machine-id"});
  facts.boot_id = firstOf(host, {"/proc/sys/kernel/random/boot_id"});
  if (facts.boot_id.empty()) return makeError(Code::kNotFound, "{}/proc has no boot id", host);
  struct utsname names {};
  if (::uname(&names) != 0) return sysError("uname");
  facts.kernel_version = names.release;
  facts.architecture = goArchitecture(names.machine);
  facts.os_image = prettyName(firstOf(host, {"/etc/os-release", "/usr/lib/os-release"}));
  if (facts.os_image.empty()) facts.os_image = "Linux";
  facts.cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  const std::string memory = TRY_CTX(readFile(host + "/proc/meminfo", kMaxFact), "memory of this machine");
  const auto total = meminfo(memory, "MemTotal");
  if (!total) return makeError(Code::kDataLoss, "{}/proc/meminfo has no MemTotal", host);
  facts.memory = *total;
  if (const auto swap = meminfo(memory, "SwapTotal"); swap && swap->value > 0) facts.swap = *swap;
  facts.hugepages = readHugepages(host);
  facts.root_filesystem = TRY(fileSystemSize(root_dir));
  const auto pid_max = numberAt(firstOf(host, {"/proc/sys/kernel/pid_max"}));
  const auto threads_max = numberAt(firstOf(host, {"/proc/sys/kernel/threads-max"}));
  facts.pids = std::min(pid_max.value_or(INT64_MAX), threads_max.value_or(INT64_MAX));
  if (facts.pids == INT64_MAX) facts.pids = 0;
  return facts;
}

}  // namespace keelson::kubelet::node
