// JSON profiles: the OCI runtime format, and Docker's extension of it.
// https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/json.h"
#include "kernel/caps.h"
#include "kernel/seccomp_profile.h"

namespace keelson::kernel {
namespace {

constexpr size_t kMaxProfileBytes = size_t{1} << 20;
constexpr size_t kMaxRules = 4096;
constexpr size_t kMaxNames = 4096;     // of one rule
constexpr size_t kMaxConditions = 64;  // of one rule
constexpr uint64_t kMaxErrno = 4095;   // MAX_ERRNO of the kernel
#if defined(__x86_64__)
constexpr std::string_view kGoArch = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kGoArch = "arm64";
#else
constexpr std::string_view kGoArch = "";
#endif

// One value of the document with its place in it, for error texts.
struct Node {
  const json::value* value = nullptr;
  std::string path;

  Error wrong(std::string_view expected) const {
    return makeError(Code::kInvalidArgument, "seccomp profile: {}: expected {}", path, expected);
  }
  // Absent and null alike give a Node without value.
  Node member(std::string_view name) const {
    const json::value* found = value->as_object().if_contains(name);
    if (found != nullptr && found->is_null()) found = nullptr;
    return {found, path.empty() ? std::string(name) : fmt::format("{}.{}", path, name)};
  }
  bool absent() const { return value == nullptr; }
};

Result<std::string> textOf(const Node& node) {
  if (node.absent() || !node.value->is_string()) return node.wrong("a string");
  return std::string(node.value->as_string());
}

Result<uint64_t> numberOf(const Node& node) {
  if (!node.absent() && node.value->is_uint64()) return node.value->as_uint64();
  if (!node.absent() && node.value->is_int64() && node.value->as_int64() >= 0) {
    return static_cast<uint64_t>(node.value->as_int64());
  }
  return node.wrong("a number from 0 to 2^64-1");
}

// The elements of an optional array.
Result<std::vector<Node>> elementsOf(const Node& node, size_t limit) {
  if (node.absent()) return std::vector<Node>{};
  if (!node.value->is_array()) return node.wrong("an array");
  const json::array& array = node.value->as_array();
  if (array.size() > limit) return node.wrong(fmt::format("at most {} elements", limit));
  std::vector<Node> elements;
  for (size_t i = 0; i < array.size(); ++i)
    elements.push_back({&array[i], fmt::format("{}[{}]", node.path, i)});
  return elements;
}

Result<std::vector<std::string>> textsOf(const Node& node, size_t limit) {
  const std::vector<Node> elements = TRY(elementsOf(node, limit));
  std::vector<std::string> texts;
  for (const Node& element : elements) texts.push_back(TRY(textOf(element)));
  return texts;
}

Result<void> requireObject(const Node& node) {
  if (node.absent() || !node.value->is_object()) return node.wrong("an object");
  return {};
}

Result<uint32_t> actionOf(const Node& node, const Node& errno_node) {
  uint64_t err = EPERM;
  if (!errno_node.absent()) {
    err = TRY(numberOf(errno_node));
    if (err > kMaxErrno) return errno_node.wrong(fmt::format("an errno up to {}", kMaxErrno));
  }
  const auto number = static_cast<uint16_t>(err);
  const std::string name = TRY(textOf(node));
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  // SCMP_ACT_NOTIFY hands calls to a listener process, which a pod cannot bring along.
  return node.wrong("SCMP_ACT_ALLOW, ERRNO, LOG, TRACE, TRAP, KILL, KILL_THREAD or KILL_PROCESS");
}

Result<uint32_t> architectureOf(const Node& node) {
  std::string name = TRY(textOf(node));
  if (!name.starts_with("SCMP_ARCH_")) return node.wrong("SCMP_ARCH_...");
  name.erase(0, sizeof "SCMP_ARCH_" - 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const uint32_t arch = seccomp_arch_resolve_name(name.c_str());
  if (arch == 0) return node.wrong("an architecture that libseccomp knows");
  return arch;
}

Result<scmp_compare> compareOf(const Node& node) {
  static constexpr std::array<std::pair<std::string_view, scmp_compare>, 7> kNames = {{
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
  }};
  const std::string name = TRY(textOf(node));
  for (const auto& [known, op] : kNames) {
    if (name == known) return op;
  }
  return node.wrong("SCMP_CMP_NE, LT, LE, EQ, GE, GT or MASKED_EQ");
}

Result<SeccompCondition> conditionOf(const Node& node) {
  TRY(requireObject(node));
  SeccompCondition condition;
  const uint64_t index = TRY(numberOf(node.member("index")));
  if (index > 5) return node.member("index").wrong("0 to 5");
  condition.index = static_cast<uint32_t>(index);
  condition.value = TRY(numberOf(node.member("value")));
  const Node second = node.member("valueTwo");
  if (!second.absent()) condition.value_two = TRY(numberOf(second));
  condition.op = TRY(compareOf(node.member("op")));
  return condition;
}

// "4.8" against the running kernel.
Result<bool> kernelIsAtLeast(const Node& node) {
  unsigned major = 0, minor = 0, own_major = 0, own_minor = 0;
  char rest = 0;
  const std::string text = TRY(textOf(node));
  if (sscanf(text.c_str(), "%3u.%3u%c", &major, &minor, &rest) != 2)
    return node.wrong("a kernel version like 4.8");
  utsname own{};
  if (uname(&own) != 0 || sscanf(own.release, "%u.%u", &own_major, &own_minor) != 2) {
    return sysError("version of this kernel");
  }
  return std::pair(own_major, own_minor) >= std::pair(major, minor);
}

// How many of a filter's conditions there are and hold, for `includes` (all must) and `excludes` (none may).
struct FilterOutcome {
  bool all = true;
  bool any = false;
  void add(bool holds) { all = all && holds, any = any || holds; }
};

Result<FilterOutcome> evaluateFilter(const Node& node, uint64_t capabilities) {
  FilterOutcome outcome;
  if (node.absent()) return outcome;
  TRY(requireObject(node));
  const std::vector<Node> caps = TRY(elementsOf(node.member("caps"), kMaxNames));
  for (const Node& element : caps) {
    const std::string name = TRY(textOf(element));
    auto bit = capabilityBits(name);
    if (!bit) return element.wrong("a capability");
    outcome.add((bit.value() & capabilities) != 0);
  }
  const std::vector<std::string> arches = TRY(textsOf(node.member("arches"), kMaxNames));
  if (!arches.empty()) outcome.add(std::find(arches.begin(), arches.end(), kGoArch) != arches.end());
  const Node kernel = node.member("minKernel");
  if (!kernel.absent()) outcome.add(TRY(kernelIsAtLeast(kernel)));
  return outcome;
}

Result<void> addRule(const Node& node, uint64_t capabilities, SeccompProfile& profile) {
  TRY(requireObject(node));
  SeccompRule rule;
  rule.names = TRY(textsOf(node.member("names"), kMaxNames));
  const Node single = node.member("name");  // Docker's older form
  if (!single.absent()) rule.names.push_back(TRY(textOf(single)));
  if (rule.names.empty()) return node.member("names").wrong("at least one name");
  rule.action = TRY(actionOf(node.member("action"), node.member("errnoRet")));
  const std::vector<Node> conditions = TRY(elementsOf(node.member("args"), kMaxConditions));
  for (const Node& condition : conditions) rule.conditions.push_back(TRY(conditionOf(condition)));
  const FilterOutcome includes = TRY(evaluateFilter(node.member("includes"), capabilities));
  const FilterOutcome excludes = TRY(evaluateFilter(node.member("excludes"), capabilities));
  if (includes.all && !excludes.any) profile.rules.push_back(std::move(rule));
  return {};
}

Result<std::vector<uint32_t>> architecturesOf(const Node& root) {
  std::vector<uint32_t> architectures;
  const std::vector<Node> plain = TRY(elementsOf(root.member("architectures"), kMaxNames));
  const std::vector<Node> map = TRY(elementsOf(root.member("archMap"), kMaxNames));
  if (!plain.empty() && !map.empty()) return root.member("archMap").wrong("nothing beside architectures");
  for (const Node& node : plain) architectures.push_back(TRY(architectureOf(node)));
  for (const Node& node : map) {
    TRY(requireObject(node));
    const Node name = node.member("architecture");
    // The map lists machines libseccomp may not know; only the entry of this one counts.
    auto architecture = architectureOf(name);
    if (!architecture || architecture.value() != seccomp_arch_native()) {
      TRY(textOf(name));
      continue;
    }
    architectures.push_back(architecture.value());
    const std::vector<Node> more = TRY(elementsOf(node.member("subArchitectures"), kMaxNames));
    for (const Node& sub : more) architectures.push_back(TRY(architectureOf(sub)));
  }
  return architectures;
}

}  // namespace

Result<SeccompProfile> decodeSeccompProfile(std::string_view profile_json, uint64_t capabilities) {
  const json::value document = TRY_CTX(parseJson(profile_json, kMaxProfileBytes), "seccomp profile");
  if (!document.is_object()) return makeError(Code::kInvalidArgument, "seccomp profile: expected an object");
  const Node root{&document, ""};
  SeccompProfile profile;
  profile.default_action = TRY(actionOf(root.member("defaultAction"), root.member("defaultErrnoRet")));
  profile.architectures = TRY(architecturesOf(root));
  const std::vector<Node> rules = TRY(elementsOf(root.member("syscalls"), kMaxRules));
  for (const Node& rule : rules) TRY(addRule(rule, capabilities, profile));
  return profile;
}

}  // namespace keelson::kernel
