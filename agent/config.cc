#include "agent/config.h"

#include <map>

#include "api/yaml.h"
#include "base/ip.h"

namespace keelson::agent {
namespace {

std::string textOf(const json::value& document, const char* field) {
  const json::object* object = document.if_object();
  const json::value* value = object ? object->if_contains(field) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

// RFC 7386.
void mergePatch(json::object& target, const json::object& patch) {
  for (const auto& member : patch) {
    if (member.value().is_null()) {
      target.erase(member.key());
    } else if (const json::object* inner = member.value().if_object()) {
      json::value& at = target[member.key()];
      if (!at.is_object()) at = json::object();
      mergePatch(at.get_object(), *inner);
    } else {
      target[member.key()] = member.value();
    }
  }
}

// Decodes for the errors alone, and keeps the JSON.
Result<void> readDocument(const json::value& document, const std::string& kind, ConfigDocuments& out) {
  if (kind == "KubeletConfiguration") {
    TRY(decodeKubeletConfiguration(document, out.warnings));
    out.kubelet = document.get_object();
  } else if (kind == "KubeProxyConfiguration") {
    TRY(decodeKubeProxyConfiguration(document, out.warnings));
    out.kube_proxy = document.get_object();
  } else if (kind == "KeelsonConfiguration") {
    TRY(decodeKeelsonConfiguration(document));
    out.keelson = document.get_object();
  } else {
    return makeError(
        Code::kInvalidArgument,
        "kind: expected KubeletConfiguration, KubeProxyConfiguration or KeelsonConfiguration, got \"{}\"",
        kind);
  }
  return {};
}

// A flag replaces the whole field; featureGates are united, as upstream.
void layFlags(json::object& document, const json::object& flags) {
  for (const auto& member : flags) {
    if (member.key() == "featureGates" || member.key() == "authentication" ||
        member.key() == "authorization" || member.key() == "logging") {
      json::object patch;
      patch[member.key()] = member.value();
      mergePatch(document, patch);
    } else {
      document[member.key()] = member.value();
    }
  }
}

void checkPodCidrs(const std::string& text, ErrorList& errors) {
  for (size_t from = 0; from < text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (auto prefix = IpPrefix::parse(text.substr(from, comma - from)); !prefix)
      errors.add(std::move(prefix).error().withContext("podCIDR"));
    from = comma + 1;
  }
}

}  // namespace

Result<ConfigDocuments> parseConfigDocuments(std::string_view text, const std::string& name) {
  ConfigDocuments out;
  const auto documents = TRY_CTX(api::parseYaml(text), "{}", name);
  if (documents.empty())
    return makeError(Code::kInvalidArgument, "{}: expected configuration, the file is empty", name);
  std::map<std::string, int> seen;
  for (const auto& document : documents) {
    const std::string kind = textOf(document.value, "kind");
    const std::string where = fmt::format("{}: line {}", name, document.line);
    if (!seen.emplace(kind, document.line).second)
      return makeError(Code::kInvalidArgument, "{}: {} is there twice (first at line {})", where, kind,
                       seen[kind]);
    TRY_CTX(readDocument(document.value, kind, out), "{}", where);
  }
  for (std::string& warning : out.warnings) warning = name + ": " + warning;
  return out;
}

Result<void> mergeDropIn(ConfigDocuments& documents, std::string_view text, const std::string& name) {
  for (const auto& document : TRY_CTX(api::parseYaml(text), "{}", name)) {
    if (textOf(document.value, "apiVersion").empty() || textOf(document.value, "kind").empty())
      return makeError(Code::kInvalidArgument, "{}: a drop-in must have apiVersion and kind", name);
  }
  auto patch = TRY(parseConfigDocuments(text, name));
  mergePatch(documents.kubelet, patch.kubelet);
  mergePatch(documents.kube_proxy, patch.kube_proxy);
  mergePatch(documents.keelson, patch.keelson);
  for (std::string& warning : patch.warnings) documents.warnings.push_back(std::move(warning));
  return {};
}

Result<Config> decodeConfig(ConfigDocuments documents, const Flags& flags) {
  layFlags(documents.kubelet, flags.kubelet);
  layFlags(documents.keelson, flags.keelson);
  Config config;
  config.warnings = std::move(documents.warnings);
  // The documents told their warnings with their places; only flags are new here.
  std::vector<std::string> told_before;
  const auto without_effect = fieldsWithoutEffect(documents.kubelet);
  config.kubelet = TRY_CTX(decodeKubeletConfiguration(std::move(documents.kubelet), told_before), "flags");
  config.kube_proxy =
      TRY_CTX(decodeKubeProxyConfiguration(std::move(documents.kube_proxy), told_before), "flags");
  config.keelson = TRY_CTX(decodeKeelsonConfiguration(std::move(documents.keelson)), "flags");
  if (!without_effect.empty())
    config.warnings.push_back(
        fmt::format("KubeletConfiguration: no effect here: {}", fmt::join(without_effect, ", ")));
  if (!flags.without_effect.empty())
    config.warnings.push_back(
        fmt::format("flags without effect here: {}", fmt::join(flags.without_effect, ", ")));
  if (config.keelson.socket.empty()) config.keelson.socket = config.keelson.run_dir + "/keelson.sock";
  if (config.kubelet.pod_cidr.empty() && flags.isStandalone()) config.kubelet.pod_cidr = "10.244.0.0/24";
  if (config.kubelet.static_pod_path.empty() && flags.isStandalone())
    config.kubelet.static_pod_path = "/etc/kubernetes/manifests";
  return config;
}

Result<void> validateConfig(const Config& config) {
  ErrorList errors;
  validateKubeletConfiguration(config.kubelet, errors);
  checkPodCidrs(config.kubelet.pod_cidr, errors);
  validateKubeProxyConfiguration(config.kube_proxy, errors);
  validateKeelsonConfiguration(config.keelson, errors);
  auto result = errors.result();
  if (!result) return std::move(result).error().withContext("invalid configuration");
  return {};
}

Result<Config> makeConfig(ConfigDocuments documents, const Flags& flags) {
  auto config = TRY(decodeConfig(std::move(documents), flags));
  TRY(validateConfig(config));
  return config;
}

}  // namespace keelson::agent
