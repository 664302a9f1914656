// keelctl: look at a node and act on its pods, over keelson's status socket.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "agent/keelctl/client.h"
#include "agent/keelctl/commands.h"
#include "agent/keelctl/completion.h"
#include "agent/keelctl/exec.h"

namespace {

using namespace keelson;
using namespace keelson::keelctl;

int fail(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.text);
  return 1;
}

int report(const Result<void>& result) { return result ? 0 : fail(result.error()); }

// Options that every verb takes, before or after it.
void addCommon(CLI::App* verb, Common& common) {
  verb->add_option("-n,--namespace", common.pod_namespace, "Namespace of the pods")->capture_default_str();
  verb->add_flag("-A,--all-namespaces", common.all_namespaces, "All namespaces");
  verb->add_option("-o,--output", common.output, "Output: wide, name, json or yaml")
      ->check(CLI::IsMember({"wide", "name", "json", "yaml"}));
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  CLI::App app("keelctl talks to keelson on this node");
  app.require_subcommand(1);
  std::string socket = "/run/keelson/keelson.sock";
  app.add_option("--socket", socket, "Status socket")->envname("KEELSON_SOCKET")->capture_default_str();
  Common common;
  int code = 0;
  const auto client = [&] { return Client(socket); };

  CLI::App* get = app.add_subcommand("get", "Show pods, manifests, network, health or images");
  get->require_subcommand(1);
  std::vector<std::string> names;
  const auto addGet = [&](const char* name, const char* alias, const char* text,
                          std::function<Result<void>()> run) {
    CLI::App* verb = get->add_subcommand(name, text);
    if (*alias != '\0') verb->alias(alias);
    addCommon(verb, common);
    verb->callback([&code, run = std::move(run)] { code = report(run()); });
    return verb;
  };
  CLI::App* pods =
      addGet("pods", "pod", "Pods of this node", [&] { return getPods(client(), common, names); });
  pods->alias("po");
  pods->add_option("NAME", names, "Only these pods");
  addGet("manifests", "manifest", "Files of the manifest folder and their errors",
         [&] { return getManifests(client(), common); });
  addGet("network", "", "Addresses and links of pods", [&] { return getNetwork(client(), common); });
  addGet("health", "", "Loop, strands and queues of the daemon", [&] { return getHealth(client(), common); });
  addGet("images", "image", "Images on this node", [&] { return getImages(client(), common); });

  std::string pod;
  CLI::App* describe = app.add_subcommand("describe", "Everything about one thing");
  describe->require_subcommand(1);
  CLI::App* describe_pod = describe->add_subcommand("pod", "A pod with its conditions and events");
  addCommon(describe_pod, common);
  describe_pod->add_option("NAME", pod, "Pod")->required();
  describe_pod->callback([&] { code = report(describePod(client(), common, pod)); });

  CLI::App* timeline =
      app.add_subcommand("timeline", "The steps of a pod with their durations, and its wait");
  addCommon(timeline, common);
  timeline->add_option("POD", pod, "Pod")->required();
  timeline->callback([&] { code = report(showTimeline(client(), common, pod)); });

  LogArguments log_arguments;
  CLI::App* log = app.add_subcommand("logs", "Print a container's log");
  addCommon(log, common);
  log->add_option("POD", log_arguments.pod, "Pod")->required();
  log->add_option("CONTAINER,-c,--container", log_arguments.container, "Container");
  log->add_flag("-f,--follow", log_arguments.follow, "Go on as lines come");
  log->add_flag("-p,--previous", log_arguments.previous, "The instance before the last restart");
  log->add_flag("--timestamps", log_arguments.timestamps, "Put its time before each line");
  log->add_option("--tail", log_arguments.tail, "Only this many last lines");
  log->add_option("--since", log_arguments.since, "Only lines newer than this, as 5s, 2m or 3h");
  log->add_option("--limit-bytes", log_arguments.limit_bytes, "At most this many bytes");
  log->callback([&] { code = report(logs(client(), common, log_arguments)); });

  ExecOptions exec_options;
  CLI::App* exec = app.add_subcommand("exec", "Run a command in a container: keelctl exec POD -- COMMAND");
  addCommon(exec, common);
  exec->add_flag("-i,--stdin", exec_options.stdin, "Pass standard input");
  exec->add_flag("-t,--tty", exec_options.tty, "With a terminal");
  exec->add_option("-c,--container", exec_options.container, "Container");
  exec->add_option("POD", exec_options.pod, "Pod")->required();
  exec->add_option("COMMAND", exec_options.command, "Command and its arguments, after --")->required();
  exec->callback([&] {
    exec_options.socket_path = socket;
    exec_options.pod_namespace = common.pod_namespace;
    if (exec_options.container.empty()) {
      auto chosen = chooseContainer(client(), common.pod_namespace, exec_options.pod);
      if (!chosen) {
        code = fail(chosen.error());
        return;
      }
      exec_options.container = std::move(chosen).value();
    }
    const auto result = runExec(exec_options);
    code = result ? *result : fail(result.error());
  });

  CLI::App* images = app.add_subcommand("images", "Images on this node");
  addCommon(images, common);
  images->callback([&] { code = report(getImages(client(), common)); });

  CLI::App* image = app.add_subcommand("image", "Import, pull or remove an image");
  image->require_subcommand(1);
  std::string file, name, reference;
  std::vector<std::string> references;
  CLI::App* import = image->add_subcommand("import", "An OCI archive or a `docker save` archive");
  import->add_option("FILE", file, "Archive, or - for standard input")->required();
  import->add_option("--name", name, "Reference for an archive that carries none");
  import->callback([&] { code = report(importImage(client(), file, name));
});
CLI::App* pull = image->add_subcommand("pull", "From its registry");
pull->add_option("REFERENCE", reference, "Image")->required();
pull->callback([&] { code = report(pullImage(client(), reference)); });
CLI::App* remove = image->add_subcommand("rm", "From this node");
remove->add_option("REFERENCE", references, "Images")->required();
remove->callback([&] { code = report(removeImages(client(), references)); });

CLI::App* top_verb = app.add_subcommand("top", "CPU and memory of pods, over one second");
addCommon(top_verb, common);
top_verb->add_subcommand("pods", "The same")->silent();
top_verb->callback([&] { code = report(top(client(), common)); });

std::string shell;
CLI::App* completion = app.add_subcommand("completion", "Completion script of a shell");
completion->add_option("SHELL", shell, "bash or zsh")->required();
completion->callback([&] {
  const auto script = completionScript(shell);
  code = script ? 0 : fail(script.error());
  if (script) fmt::print("{}", *script);
});
app.add_subcommand("version", "keelctl's version")->callback([] {
  fmt::print("keelctl {}\n", KEELSON_VERSION);
});

CLI11_PARSE(app, argc, argv);
return code;
}
