#include "proxy/iptables_backend.h"

#include <algorithm>

#include "base/fs.h"
#include "proxy/program.h"

namespace keelson::proxy {
namespace {

constexpr char kRouteLocalnet[] = "/proc/sys/net/ipv4/conf/all/route_localnet";
constexpr size_t kShownError = 500;

std::string command(IpFamily family, const char* verb) {
  return fmt::format("{}{}", family == IpFamily::kV4 ? "iptables" : "ip6tables", verb);
}

Result<std::string> run(const std::string& program, const std::vector<std::string>& args,
                        std::string_view input, Stop& stop) {
  auto result = TRY(runProgram(program, args, input, stop));
  if (result.status != 0)
    return makeError(Code::kInternal, "{}: exit status {}: {}", program, result.status,
                     result.err.substr(0, kShownError));
  return std::move(result.out);
}

Result<void> restore(IpFamily family, const std::string& text, Stop& stop) {
  if (text.empty()) return {};
  TRY(run(command(family, "-restore"), {"-w", "5", "--noflush"}, text, stop));
  return {};
}

Result<IptablesListing> list(IpFamily family, Stop& stop) {
  return parseIptablesSave(TRY(run(command(family, "-save"), {}, "", stop)));
}

// Packets to 127.0.0.1 that were translated leave the loopback interface only then.
Result<void> routeLocalnet() {
  const auto now = readFile(kRouteLocalnet, 16);
  if (now && now->starts_with('1')) return {};
  const UniqueFd file(::open(kRouteLocalnet, O_WRONLY | O_CLOEXEC));
  if (!file) return sysError(kRouteLocalnet);
  return writeAll(file.get(), "1\n");
}

}  // namespace

Result<void> IptablesBackend::change(IpFamily family, const Doors& doors, SyncReport& report, Stop& stop) {
  auto want = buildIptables(doors, family, settings_);
  const auto known = have_.find(family);
  const bool anew = known == have_.end();
  IptablesInput input;
  if (anew) {
    report.full = true;
    if (family == IpFamily::kV4 && settings_.localhost_node_ports) TRY(routeLocalnet());
    input = planIptablesAnew(TRY(list(family, stop)), want);
  } else {
    input = planIptables(known->second, want);
  }
  if (!anew) have_.erase(known);  // until it is known to be there
  TRY(restore(family, input.text, stop));
  have_[family] = std::move(want);
  report.rules += input.rules;
  report.structure = report.structure || !input.text.empty();
  return {};
}

Result<SyncReport> IptablesBackend::sync(const Doors& doors, const std::vector<DoorChange>& changes,
                                         Stop& stop) {
  SyncReport report;
  for (const IpFamily family : families_) {
    const bool concerned = std::any_of(changes.begin(), changes.end(),
                                       [&](const DoorChange& change) { return change.key.family == family; });
    if (!concerned && have_.count(family)) continue;
    auto done = change(family, doors, report, stop);
    // Somebody may have removed a chain that the change builds on.
    if (!done && !report.full) done = change(family, doors, report, stop);
    TRY_CTX(std::move(done), "services");
  }
  return report;
}

Result<bool> IptablesBackend::intact(Stop& stop) {
  for (const IpFamily family : families_) {
    if (!have_.count(family)) continue;
    for (const char* table : {"mangle", "nat", "filter"}) {
      const auto asked =
          TRY(runProgram(command(family, ""), {"-w", "5", "-t", table, "-S", kIptablesCanary}, "", stop));
      if (asked.status != 0) return false;
    }
  }
  return true;
}

Result<void> IptablesBackend::remove(Stop& stop) {
  have_.clear();
  for (const IpFamily family : families_) {
    auto listing = list(family, stop);
    if (!listing && listing.error().code == Code::kNotFound) continue;
    TRY(restore(family, planIptablesRemoval(TRY(std::move(listing))).text, stop));
  }
  return {};
}

}  // namespace keelson::proxy
