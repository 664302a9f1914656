// fake-api-server: a cluster's API to try Keelson with, without a cluster.
#include <signal.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>

#include "api/base64.h"
#include "api/yaml.h"
#include "base/fs.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/api_server/http_front.h"

namespace keelson::fakes {
namespace {

constexpr char kBootstrapToken[] = "abcdef.0123456789abcdef";
constexpr size_t kMaxState = size_t{256} << 20;
constexpr Duration kYear = std::chrono::hours(24 * 365);

struct Options {
  std::string folder;
  std::vector<std::string> nodes, users, manifests;
  FrontSettings front;
  ServerSettings server;
};

std::string kubeconfig(const std::string& server, const std::string& ca, const std::string& user,
                       const std::string& credentials) {
  return fmt::format(
      "apiVersion: v1\nkind: Config\nclusters:\n- name: keelson-demo\n  cluster:\n    server: {}\n"
      "    certificate-authority-data: {}\nusers:\n- name: {}\n  user:\n{}contexts:\n- name: "
      "{}@keelson-demo\n"
      "  context:\n    cluster: keelson-demo\n    user: {}\n    namespace: default\n"
      "current-context: {}@keelson-demo\n",
      server, api::encodeBase64(ca), user, credentials, user, user, user);
}

Result<void> writeKubeconfigs(const Options& options, const Pki& pki, uint16_t port) {
  const auto server = fmt::format("https://127.0.0.1:{}", port);
  const auto write = [&](const std::string& file, const Subject& subject) -> Result<void> {
    const auto path = options.folder + "/" + file;
    const auto pair = TRY(pki.issue(subject, Pki::Use::kClient, realClock().wall(), kYear));
    return writeFileAtomic(
        path,
        kubeconfig(server, pki.caPem(), subject.common_name,
                   fmt::format("    client-certificate-data: {}\n    client-key-data: {}\n",
                               api::encodeBase64(pair.certificate_pem), api::encodeBase64(pair.key_pem))));
  };
  TRY(write("admin.kubeconfig", {"kubernetes-admin", {"system:masters"}, {}, {}}));
  for (const auto& node : options.nodes)
    TRY(write("node-" + node + ".kubeconfig", {"system:node:" + node, {"system:nodes"}, {}, {}}));
  for (const auto& user : options.users) TRY(write(user + ".kubeconfig", {user, {}, {}, {}}));
  return writeFileAtomic(options.folder + "/bootstrap-kubelet.conf",
                         kubeconfig(server, pki.caPem(), "tls-bootstrap-token-user",
                                    fmt::format("    token: {}\n", kBootstrapToken)));
}

Result<void> loadManifests(const Options& options, ApiServer& server) {
  for (const auto& file : options.manifests) {
    const auto text = TRY_CTX(readFile(file, size_t{16} << 20), "load");
    for (const auto& document : TRY_CTX(api::parseYaml(text), "load {}", file)) {
      if (!document.value.is_object()) continue;
      const auto answer = server.load(document.value.get_object());
      if (answer.code >= 300) {
        return makeError(Code::kInvalidArgument, "load {}: {}", file,
                         textAt(answer.body.as_object(), "message"));
      }
    }
  }
  return {};
}

Result<std::shared_ptr<const Pki>> openPki(const std::string& folder) {
  struct stat info;
  if (::stat((folder + "/ca.key").c_str(), &info) == 0) return Pki::load(folder);
  auto pki = TRY(Pki::create(realClock()));
  TRY(pki->save(folder));
  return pki;
}

Result<void> serve(Options options) {
  options.server.pki = TRY(openPki(options.folder));
  options.server.seed = std::random_device()();
  options.server.tokens[kBootstrapToken] = {
      "system:bootstrap:abcdef",
      "",
      {"system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"}};
  ApiServer server(realClock(), options.server);
  const auto state = options.folder + "/objects.json";
  if (auto saved = readFile(state, kMaxState)) {
    const auto parsed = TRY_CTX(parseJson(*saved, kMaxState), "read {}", state);
    if (!parsed.is_object()) return makeError(Code::kDataLoss, "{}: no object", state);
    server.restore(parsed.get_object());
  } else {
    TRY(loadManifests(options, server));
  }
  Loop loop;
  const auto front = TRY(HttpFront::open(loop, realClock(), server, options.front));
  const auto save = [&] {
    if (auto saved = writeFileAtomic(state, json::serialize(server.save())); !saved)
      std::fprintf(stderr, "%s\n", saved.error().text.c_str());
  };
  // Changes are on disk 50 ms later at most: a killed server forgets no more than that.
  Registration soon;
  const auto listener = server.store().listen([&] {
    if (!soon.active())
      soon = loop.after(std::chrono::milliseconds(50), [&] {
        soon.reset();
        save();
      });
  });
  const auto signals = loop.onSignal({SIGTERM, SIGINT}, [&](int) { loop.stop(); });
  TRY(writeKubeconfigs(options, server.pki(), front->port()));
  TRY(writeFileAtomic(options.folder + "/port", std::to_string(front->port()) + "\n", 0644));
  std::printf("https://127.0.0.1:%u ready, %s/admin.kubeconfig\n", front->port(), options.folder.c_str());
  std::fflush(stdout);
  loop.run();
  server.store().unlisten(listener);
  save();
  return {};
}

}  // namespace
}  // namespace keelson::fakes

int main(int argc, char** argv) {
  using namespace keelson;
  fakes::Options options;
  options.server.approve_requests = true;
  CLI::App app("A stand-in for kube-apiserver, for tests and demonstrations of Keelson");
  app.add_option("--dir", options.folder, "folder of keys, kubeconfigs, the port and the objects")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--listen", options.front.address, "address to listen on")->capture_default_str();
  app.add_option("--port", options.front.port, "port, 0 for any")->capture_default_str();
  app.add_option("--san", options.front.addresses, "another address of the server's certificate");
  app.add_option("--node", options.nodes, "write DIR/node-NAME.kubeconfig");
  app.add_option("--load", options.manifests, "create the objects of this manifest first");
  app.add_option("--bind-all-to", options.server.bind_all_to, "bind every pod without a node to this one");
  int bookmark_seconds = 60;
  app.add_option("--bookmark-seconds", bookmark_seconds, "period of bookmarks")->check(CLI::Range(1, 3600));
  app.add_option("--history", options.server.history, "changes that watches may resume from");
  bool no_node_controllers = false;
  app.add_flag("--no-node-controllers", no_node_controllers,
               "nodes get no pod CIDR, and keep the taint that they are born with");
  app.add_option("--user", options.users, "write DIR/NAME.kubeconfig of a user whom nobody gave a role");
  bool no_approval = false, no_accounts = false, no_proxier = false;
  app.add_flag("--no-proxier", no_proxier, "nodes have only the role system:node, not system:node-proxier");
  app.add_flag("--no-approval", no_approval, "leave certificate requests to somebody else");
  app.add_flag("--no-service-accounts", no_accounts, "do not mount service account tokens into pods");
  CLI11_PARSE(app, argc, argv);
  options.front.bookmark_period = std::chrono::seconds(bookmark_seconds);
  options.server.allocate_pod_cidrs = options.server.node_lifecycle = !no_node_controllers;
  options.server.approve_requests = !no_approval;
  options.server.service_account_admission = !no_accounts;
  options.server.node_proxier = !no_proxier;
  blockSignals({SIGTERM, SIGINT});
  if (auto result = fakes::serve(std::move(options)); !result) {
    std::fprintf(stderr, "fake-api-server: %s\n", result.error().text.c_str());
    return 1;
  }
  return 0;
}
