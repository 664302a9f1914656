// keelson: the daemon.
#include <signal.h>

#include <cstdio>

#include "agent/config.h"
#include "agent/flags.h"
#include "agent/notify.h"
#include "agent/wiring.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/log.h"

namespace {

using namespace keelson;
using namespace keelson::agent;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;

Result<Config> loadConfig(const Flags& flags) {
  Config config;
  if (!flags.config_file.empty())
    config = TRY(parseConfig(TRY_CTX(readFile(flags.config_file, kMaxConfigBytes), "configuration"),
                             flags.config_file));
  config = mergeFlags(std::move(config), flags);
  TRY(validateConfig(config));
  if (!flags.standalone)
    return makeError(
        Code::kUnsupported,
        "no control plane: this version runs the manifests of a folder; start it with --standalone");
  return config;
}

// Says READY, then turns the loop until SIGTERM or SIGINT; pods run on afterwards.
Result<void> run(const Config& config, const Flags& flags) {
  Loop loop;
  auto agent = TRY(Agent::create(loop, config, flags));
  const Registration signals = loop.onSignal({SIGTERM, SIGINT}, [&loop](int signal) {
    LOG_INFO("stopping on {}; pods run on", strsignal(signal));
    loop.stop();
  });
  Registration watchdog;
  if (const auto interval = watchdogInterval())
    watchdog = loop.every(*interval, [] { notifySystemd("WATCHDOG=1"); });
  TRY(agent->start());
  notifySystemd("READY=1");
  loop.run();
  notifySystemd("STOPPING=1");
  agent->stop();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto parsed = parseFlags(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const Flags& flags = std::get<Flags>(parsed);
  auto config = loadConfig(flags);
  if (!config) {
    fmt::print(stderr, "keelson: {}\n", config.error().text);
    return 1;
  }
  blockSignals({SIGTERM, SIGINT});
  initLog(config->keelson.log_level);
  for (const std::string& warning : config->warnings) LOG_WARN("{}: {}", flags.config_file, warning);
  if (flags.check_config) {
    fmt::print("configuration is valid\n");
    return 0;
  }
  if (auto result = run(*config, flags); !result) {
    LOG_ERROR("{}", result.error().text);
    return 1;
  }
  return 0;
}
