#include "api/client/kubeconfig.h"

#include <initializer_list>

#include "api/base64.h"
#include "api/client/url.h"
#include "api/yaml.h"
#include "base/fs.h"

namespace keelson::api::client {
namespace {

constexpr size_t kMaxKubeconfigBytes = size_t{1} << 20;
constexpr size_t kMaxExecWords = 256;

// Reads the fields of one object of the file and remembers the first finding with its place:
// `users["node"].user.exec`.
class Fields {
 public:
  Fields(const json::value* value, std::string where, std::string& finding)
      : where_(std::move(where)), finding_(finding) {
    if (value == nullptr || value->is_null()) return;
    object_ = value->if_object();
    if (object_ == nullptr) report("", "expected an object");
  }

  bool present() const { return object_ != nullptr; }
  const json::value* get(std::string_view name) const {
    const json::value* found =
        object_ == nullptr ? nullptr : object_->if_contains({name.data(), name.size()});
    return found == nullptr || found->is_null() ? nullptr : found;
  }
  Fields object(std::string_view name) const {
    return {get(name), fmt::format("{}.{}", where_, name), finding_};
  }
  std::string text(std::string_view name) {
    const json::value* found = get(name);
    if (found == nullptr) return "";
    if (!found->is_string()) {
      report(name, "expected a string");
      return "";
    }
    return std::string(found->get_string());
  }
  bool flag(std::string_view name) {
    const json::value* found = get(name);
    if (found == nullptr) return false;
    if (!found->is_bool()) report(name, "expected true or false");
    return found->is_bool() && found->get_bool();
  }
  std::string data(std::string_view name) {
    auto decoded = decodeBase64(text(name));
    if (!decoded) report(name, "expected base64");
    return decoded ? std::move(*decoded) : "";
  }
  const json::array& list(std::string_view name) {
    static const json::array kNone;
    const json::value* found = get(name);
    if (found == nullptr) return kNone;
    if (!found->is_array()) report(name, "expected a list");
    return found->is_array() ? found->get_array() : kNone;
  }
  // The entry of `list` whose name is `name`: {name: x, <kind>: {...}}.
  Fields named(std::string_view list_name, const std::string& name, std::string_view kind) {
    for (const json::value& entry : list(list_name)) {
      const json::object* object = entry.if_object();
      const json::value* has = object == nullptr ? nullptr : object->if_contains("name");
      if (has == nullptr || !has->is_string() || has->get_string() != json::string_view(name)) continue;
      return {object->if_contains({kind.data(), kind.size()}),
              fmt::format("{}[\"{}\"].{}", list_name, name, kind), finding_};
    }
    report(list_name, fmt::format("has no entry named \"{}\"", name));
    return {nullptr, std::string(list_name), finding_};
  }
  void report(std::string_view name, std::string_view what) {
    if (!finding_.empty()) return;
    finding_ = where_;
    if (!name.empty()) finding_ += finding_.empty() ? std::string(name) : "." + std::string(name);
    finding_ += finding_.empty() ? std::string(what) : ": " + std::string(what);
  }

 private:
  std::string where_;
  std::string& finding_;
  const json::object* object_ = nullptr;
};

// Relative names are meant from the folder of the kubeconfig.
std::string absolute(std::string name, const std::string& path) {
  if (name.empty() || name.front() == '/') return name;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

void readCluster(Fields cluster, const std::string& path, Connection& out) {
  out.server = cluster.text("server");
  if (const auto url = parseServerUrl(out.server); !url) cluster.report("", url.error().text);
  out.tls_server_name = cluster.text("tls-server-name");
  out.proxy_url = cluster.text("proxy-url");
  out.insecure_skip_tls_verify = cluster.flag("insecure-skip-tls-verify");
  out.ca_data = cluster.data("certificate-authority-data");
  if (out.ca_data.empty()) out.ca_file = absolute(cluster.text("certificate-authority"), path);
  if (out.insecure_skip_tls_verify && (!out.ca_data.empty() || !out.ca_file.empty())) {
    cluster.report("insecure-skip-tls-verify", "cannot be combined with a certificate authority");
  }
}

std::optional<ExecPlugin> readExec(Fields exec, const std::string& path) {
  if (!exec.present()) return std::nullopt;
  ExecPlugin plugin;
  plugin.command = exec.text("command");
  plugin.api_version = exec.text("apiVersion");
  plugin.provide_cluster_info = exec.flag("provideClusterInfo");
  if (plugin.command.empty()) exec.report("command", "must not be empty");
  if (plugin.command.find('/') != std::string::npos) plugin.command = absolute(plugin.command, path);
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    exec.report("apiVersion", "expected client.authentication.k8s.io/v1 or v1beta1");
  }
  if (exec.text("interactiveMode") == "Always") {
    exec.report("interactiveMode", "a node has no terminal: expected Never or IfAvailable");
  }
  const json::array& words = exec.list("args");
  const json::array& variables = exec.list("env");
  if (words.size() > kMaxExecWords || variables.size() > kMaxExecWords) exec.report("", "has too many words");
  for (const json::value& word : words) {
    if (!word.is_string()) exec.report("args", "expected strings");
    if (word.is_string()) plugin.arguments.emplace_back(word.get_string());
  }
  for (const json::value& variable : variables) {
    const json::object* pair = variable.if_object();
    const json::value* name = pair == nullptr ? nullptr : pair->if_contains("name");
    const json::value* value = pair == nullptr ? nullptr : pair->if_contains("value");
    if (name == nullptr || !name->is_string() || value == nullptr || !value->is_string()) {
      exec.report("env", "expected a list of name and value");
      continue;
    }
    plugin.environment.emplace_back(name->get_string(), value->get_string());
  }
  return plugin;
}

bool hasControl(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void readUser(Fields user, const std::string& path, Connection& out) {
  out.certificate_data = user.data("client-certificate-data");
  if (out.certificate_data.empty()) out.certificate_file = absolute(user.text("client-certificate"), path);
  out.key_data = user.data("client-key-data");
  if (out.key_data.empty()) out.key_file = absolute(user.text("client-key"), path);
  out.token = user.text("token");
  out.token_file = absolute(user.text("tokenFile"), path);
  out.username = user.text("username");
  out.password = user.text("password");
  out.exec = readExec(user.object("exec"), path);
  const bool has_certificate = !out.certificate_data.empty() || !out.certificate_file.empty();
  const bool has_key = !out.key_data.empty() || !out.key_file.empty();
  if (has_certificate != has_key) {
    user.report("", "client-certificate and client-key belong together");
  }
  const bool has_token = !out.token.empty() || !out.token_file.empty();
  if (!out.username.empty() && has_token) user.report("", "has both a token and a username");
  if (out.exec && (has_token || !out.username.empty()))
    user.report("exec", "cannot be combined with a token");
  if (hasControl(out.token)) user.report("token", "has characters that no token may have");
  if (hasControl(out.username) || hasControl(out.password) || out.username.find(':') != std::string::npos) {
    user.report("username", "has characters that HTTP cannot carry");
  }
  if (user.get("auth-provider") != nullptr) user.report("auth-provider", "is not supported; use exec");
  if (user.get("as") != nullptr) user.report("as", "impersonation is not supported");
}

Result<Connection> readConfig(const json::value& document, const std::string& path) {
  std::string finding;
  Connection out;
  Fields config(&document, "", finding);
  if (const auto kind = config.text("kind"); !kind.empty() && kind != "Config") {
    config.report("kind", fmt::format("expected Config, got \"{}\"", kind));
  }
  if (const auto version = config.text("apiVersion"); !version.empty() && version != "v1") {
    config.report("apiVersion", fmt::format("expected v1, got \"{}\"", version));
  }
  const std::string current = config.text("current-context");
  if (current.empty()) config.report("current-context", "must name a context");
  if (finding.empty()) {
    Fields context = config.named("contexts", current, "context");
    const std::string cluster = context.text("cluster");
    const std::string user = context.text("user");
    out.name_space = context.text("namespace");
    if (cluster.empty()) context.report("cluster", "must name a cluster");
    if (finding.empty()) readCluster(config.named("clusters", cluster, "cluster"), path, out);
    if (finding.empty() && !user.empty()) readUser(config.named("users", user, "user"), path, out);
  }
  if (!finding.empty()) return Error{Code::kInvalidArgument, 0, std::move(finding)};
  return out;
}

void put(json::object& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

// Inline data wins over a file, as it does in reading.
void putFile(json::object& object, const std::string& name, const std::string& file,
             const std::string& data) {
  if (!data.empty()) {
    object[name + "-data"] = encodeBase64(data);
  } else if (!file.empty()) {
    object[name] = file;
  }
}

json::object renderExec(const ExecPlugin& exec) {
  json::object out{{"apiVersion", exec.api_version}, {"command", exec.command}, {"interactiveMode", "Never"}};
  if (!exec.arguments.empty()) out["args"] = json::value_from(exec.arguments);
  json::array environment;
  for (const auto& [name, value] : exec.environment) {
    environment.push_back(json::object{{"name", name}, {"value", value}});
  }
  if (!environment.empty()) out["env"] = std::move(environment);
  if (exec.provide_cluster_info) out["provideClusterInfo"] = true;
  return out;
}

}  // namespace

Result<Connection> parseKubeconfig(std::string_view text, const std::string& path) {
  if (text.size() > kMaxKubeconfigBytes) {
    return makeError(Code::kInvalidArgument, "kubeconfig {}: larger than {} bytes", path,
                     kMaxKubeconfigBytes);
  }
  const auto documents = parseYaml(text);
  if (!documents) {
    return makeError(Code::kInvalidArgument, "kubeconfig {}: {}", path, documents.error().text);
  }
  if (documents->size() != 1) {
    return makeError(Code::kInvalidArgument, "kubeconfig {}: expected one document, got {}", path,
                     documents->size());
  }
  auto connection = readConfig(documents->front().value, path);
  if (!connection) return std::move(connection).error().withContext("kubeconfig " + path);
  return connection;
}

Result<Connection> readKubeconfig(const std::string& path) {
  const std::string text = TRY_CTX(readFile(path, kMaxKubeconfigBytes), "kubeconfig {}", path);
  return parseKubeconfig(text, path);
}

std::string renderKubeconfig(const Connection& connection) {
  json::object cluster{{"server", connection.server}};
  putFile(cluster, "certificate-authority", connection.ca_file, connection.ca_data);
  put(cluster, "tls-server-name", connection.tls_server_name);
  put(cluster, "proxy-url", connection.proxy_url);
  if (connection.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
  json::object user;
  putFile(user, "client-certificate", connection.certificate_file, connection.certificate_data);
  putFile(user, "client-key", connection.key_file, connection.key_data);
  put(user, "token", connection.token);
  put(user, "tokenFile", connection.token_file);
  put(user, "username", connection.username);
  put(user, "password", connection.password);
  if (connection.exec) user["exec"] = renderExec(*connection.exec);
  json::object context{{"cluster", "default-cluster"}, {"user", "default-auth"}};
  put(context, "namespace", connection.name_space);
  json::object config{{"apiVersion", "v1"}, {"kind", "Config"}, {"current-context", "default-context"}};
  config["clusters"] =
      json::array{json::object{{"name", "default-cluster"}, {"cluster", std::move(cluster)}}};
  config["users"] = json::array{json::object{{"name", "default-auth"}, {"user", std::move(user)}}};
  config["contexts"] =
      json::array{json::object{{"name", "default-context"}, {"context", std::move(context)}}};
  return renderYaml(json::value(std::move(config)));
}

}  // namespace keelson::api::client
