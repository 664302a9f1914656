#include "runtime/shim/descendants.h"

#include <fcntl.h>

#include <charconv>
#include <csignal>
#include <string>
#include <vector>

#include "base/fs.h"
#include "kernel/pidfd.h"

namespace keelson::runtime::shim {
namespace {

constexpr size_t kMaxFamily = 4096;
constexpr size_t kMaxChildrenText = 1 << 20;
constexpr size_t kMaxThreads = 4096;

void appendNumbers(std::string_view text, std::vector<pid_t>& numbers) {
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (at < end) {
    pid_t number = 0;
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec == std::errc() && numbers.size() < kMaxFamily) numbers.push_back(number);
    at = parsed.ptr + 1;
  }
}

void appendChildren(int proc, pid_t pid, std::vector<pid_t>& family) {
  UniqueFd tasks(openat(proc, fmt::format("{}/task", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks) return;
  const DirFd folder(std::move(tasks));
  auto threads = folder.list(kMaxThreads);
  if (!threads) return;
  for (const DirEntry& thread : *threads) {
    auto text = folder.readFile(thread.name + "/children", kMaxChildrenText);
    if (text) appendNumbers(*text, family);
  }
}

}  // namespace

void killDescendants(int proc, pid_t pid) {
  std::vector<pid_t> family{pid};
  for (size_t next = 0; next < family.size(); ++next) {
    appendChildren(proc, family[next], family);
    if (next == 0) continue;
    auto process = kernel::Pidfd::open(family[next]);
    if (process) [[maybe_unused]]
      auto done = process->signal(SIGKILL);
  }
}

}  // namespace keelson::runtime::shim
