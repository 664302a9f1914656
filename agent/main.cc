// keelson: the daemon.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/config.h"
#include "agent/flags.h"
#include "agent/notify.h"
#include "agent/wiring.h"
#include "base/executor.h"
#include "base/log.h"

namespace {

using namespace keelson;
using namespace keelson::agent;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<Flags> readFlags(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "keelson";
  const std::string program = path.substr(path.find_last_of('/') + 1);
  auto parsed = TRY(parseFlags(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), program));
  if (const auto* output = std::get_if<FlagsOutput>(&parsed)) {
    fmt::print("{}", output->text);
    std::exit(0);
  }
  return followKubeadm(std::get<Flags>(std::move(parsed)), exists);
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
    watchdog = loop.every(*interval, [&agent] {
      if (auto health = agent->health())
        notifySystemd("WATCHDOG=1");
      else
        LOG_ERROR("systemd's watchdog is not fed: {}", health.error().text);
    });
  TRY(agent->start());
  notifySystemd("READY=1");
  loop.run();
  notifySystemd("STOPPING=1");
  agent->stop();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto flags = readFlags(argc, argv);
  auto config = flags ? loadConfig(*flags) : flags.error();
  if (!config) {
    fmt::print(stderr, "keelson: {}\n", config.error().text);
    return 1;
  }
  blockSignals({SIGTERM, SIGINT});
  initLog(config->kubelet.logging.verbosity >= 4 ? "debug" : config->keelson.log_level);
  for (const std::string& warning : config->warnings) LOG_WARN("{}", warning);
  if (flags->check_config) {
    fmt::print("configuration is valid\n");
    return 0;
  }
  if (auto result = run(*config, *flags); !result) {
    LOG_ERROR("{}", result.error().text);
    return 1;
  }
  return 0;
}
