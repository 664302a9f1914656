#include "agent/flags.h"

#include <algorithm>
#include <charconv>

#include "agent/flag_table.h"
#include "api/names.h"
#include "base/clock.h"

namespace keelson::agent {
namespace {

constexpr const char* kKubernetesVersion = "v1.36.0";

std::vector<std::string> splitComma(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t from = 0; from < text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

Result<json::value> parseBool(const std::string& text) {
  if (text == "true" || text == "1" || text == "t" || text == "T" || text == "TRUE" || text == "True")
    return json::value(true);
  if (text == "false" || text == "0" || text == "f" || text == "F" || text == "FALSE" || text == "False")
    return json::value(false);
  return makeError(Code::kInvalidArgument, "expected true or false, got \"{}\"", text);
}

Result<json::value> parsePairs(const std::string& text, char separator, bool booleans) {
  json::object pairs;
  for (const std::string& part : splitComma(text)) {
    const size_t at = part.find(separator);
    if (at == std::string::npos || at == 0)
      return makeError(Code::kInvalidArgument, "expected key{}value[,...], got \"{}\"", separator, part);
    const std::string value = part.substr(at + 1);
    pairs[part.substr(0, at)] = booleans ? TRY_CTX(parseBool(value), "{}", part) : json::value(value);
  }
  return json::value(std::move(pairs));
}

// key=value:Effect or key:Effect
Result<json::value> parseTaints(const std::string& text) {
  json::array taints;
  for (const std::string& part : splitComma(text)) {
    const size_t colon = part.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == part.size())
      return makeError(Code::kInvalidArgument, "expected key=value:Effect[,...], got \"{}\"", part);
    const std::string pair = part.substr(0, colon);
    const size_t equals = std::min(pair.find('='), pair.size());
    json::object taint{{"key", pair.substr(0, equals)}, {"effect", part.substr(colon + 1)}};
    if (equals < pair.size()) taint["value"] = pair.substr(equals + 1);
    taints.push_back(std::move(taint));
  }
  return json::value(std::move(taints));
}

Result<json::value> parseForm(FlagForm form, const std::string& text) {
  switch (form) {
    case FlagForm::kText:
      return json::value(text);
    case FlagForm::kBool:
      return parseBool(text);
    case FlagForm::kNumber: {
      int64_t number = 0;
      const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (fault != std::errc() || end != text.data() + text.size())
        return makeError(Code::kInvalidArgument, "expected a whole number, got \"{}\"", text);
      return json::value(number);
    }
    case FlagForm::kDuration:
      TRY(parseDuration(text));
      return json::value(text);
    case FlagForm::kList: {
      json::array list;
      for (const std::string& part : splitComma(text)) list.emplace_back(part);
      return json::value(std::move(list));
    }
    case FlagForm::kPairs:
      return parsePairs(text, '=', false);
    case FlagForm::kThresholds:
      return parsePairs(text, '<', false);
    case FlagForm::kGates:
      return parsePairs(text, '=', true);
    case FlagForm::kTaints:
      return parseTaints(text);
  }
  return makeError(Code::kInternal, "unknown form of flag");
}

// The place of "a.b.c" in `document`, made on the way.
json::value& placeOf(json::object& document, std::string_view field) {
  const size_t dot = field.find('.');
  json::value& at = document[{field.data(), std::min(dot, field.size())}];
  if (dot == std::string_view::npos) return at;
  if (!at.is_object()) at = json::object();
  return placeOf(at.get_object(), field.substr(dot + 1));
}

// A list or map given before grows; everything else is replaced.
void put(json::value& at, json::value value) {
  if (at.is_array() && value.is_array()) {
    for (json::value& item : value.get_array()) at.get_array().push_back(std::move(item));
  } else if (at.is_object() && value.is_object()) {
    for (auto& member : value.get_object()) at.get_object()[member.key()] = std::move(member.value());
  } else {
    at = std::move(value);
  }
}

void setMember(Flags& flags, std::string_view name, const json::value& value) {
  const auto text = [&] { return std::string(value.get_string()); };
  if (name == "config") flags.config_file = text();
  if (name == "config-dir") flags.config_dir = text();
  if (name == "keelson-config") flags.keelson_config_file = text();
  if (name == "kubeconfig") flags.kubeconfig = text();
  if (name == "bootstrap-kubeconfig") flags.bootstrap_kubeconfig = text();
  if (name == "cert-dir") flags.cert_dir = text();
  if (name == "hostname-override") flags.node_name = text();
  if (name == "root-dir") flags.root_dir = text();
  if (name == "cloud-provider") flags.cloud_provider = text();
  if (name == "standalone") flags.standalone = value.get_bool();
  if (name == "follow-kubeadm") flags.follow_kubeadm = value.get_bool();
  if (name == "check-config") flags.check_config = value.get_bool();
  if (name == "node-ip") {
    flags.node_ips.clear();  // the last one given wins: it is one text for kubelet
    for (const json::value& item : value.get_array()) flags.node_ips.emplace_back(item.get_string());
  }
  if (name == "node-labels") {
    for (const auto& member : value.get_object())
      flags.node_labels[std::string(member.key())] = std::string(member.value().get_string());
  }
}

Result<void> apply(Flags& flags, const FlagSpec& spec, const std::string& text) {
  json::value value = TRY_CTX(parseForm(spec.form, text), "--{}", spec.name);
  switch (spec.target) {
    case FlagTarget::kMember:
      setMember(flags, spec.name, value);
      break;
    case FlagTarget::kKubelet:
      put(placeOf(flags.kubelet, spec.field), std::move(value));
      break;
    case FlagTarget::kKeelson:
      put(placeOf(flags.keelson, spec.field), std::move(value));
      break;
    case FlagTarget::kNoEffect:
      if (std::find(flags.without_effect.begin(), flags.without_effect.end(),
                    "--" + std::string(spec.name)) == flags.without_effect.end())
        flags.without_effect.push_back("--" + std::string(spec.name));
      break;
  }
  return {};
}

// Labels in Kubernetes' own namespaces that a node may give itself: the rest is refused by NodeRestriction.
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
bool mayLabelItself(const std::string& key) {
  static constexpr std::string_view kKnown[] = {"kubernetes.io/hostname",
                                                "kubernetes.io/arch",
                                                "kubernetes.io/os",
                                                "beta.kubernetes.io/instance-type",
                                                "beta.kubernetes.io/arch",
                                                "beta.kubernetes.io/os",
                                                "node.kubernetes.io/instance-type",
                                                "topology.kubernetes.io/region",
                                                "topology.kubernetes.io/zone",
                                                "failure-domain.beta.kubernetes.io/region",
                                                "failure-domain.beta.kubernetes.io/zone"};
  const std::string space = key.substr(0, key.find('/') == std::string::npos ? 0 : key.find('/'));
  const auto within = [&](std::string_view domain) {
    return space == domain || space.ends_with("." + std::string(domain));
  };
  if (!within("kubernetes.io") && !within("k8s.io")) return true;
  return within("kubelet.kubernetes.io") || within("node.kubernetes.io") ||
         std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown);
}

Result<void> checkLabels(const std::map<std::string, std::string>& labels) {
  for (const auto& [key, value] : labels) {
    if (!mayLabelItself(key))
      return makeError(
          Code::kInvalidArgument,
          "--node-labels: {}: in the kubernetes.io and k8s.io namespaces only kubelet.kubernetes.io/*, "
          "node.kubernetes.io/* and the well-known labels may be set",
          key);
    auto errors = api::checkQualifiedName(key);
    if (errors.empty()) errors = api::checkLabelValue(value);
    if (!errors.empty())
      return makeError(Code::kInvalidArgument, "--node-labels: {}={}: {}", key, value, errors.front());
  }
  return {};
}

const FlagSpec* findFlag(std::string_view name) {
  const auto& table = flagTable();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const FlagSpec& each) { return each.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::string renderHelp(const std::string& program) {
  std::string text = fmt::format("{}, the Kubernetes node agent\n\nUsage: {} [flags]\n\n", program, program);
  for (const FlagSpec& spec : flagTable()) {
    if (spec.target == FlagTarget::kNoEffect) continue;
    const std::string about = spec.field.empty()  ? std::string(spec.help)
                              : spec.help.empty() ? std::string(spec.field)
                                                  : fmt::format("{} ({})", spec.help, spec.field);
    text += fmt::format("  --{:<44} {}\n", spec.name, about);
  }
  text += "\nAccepted without effect:";
  for (const FlagSpec& spec : flagTable()) {
    if (spec.target == FlagTarget::kNoEffect) text += fmt::format(" --{}", spec.name);
  }
  return text + "\n";
}

// kubeadm reads the version of `kubelet --version` in this form.
std::string renderVersion(const std::string& program) {
  if (program == "kubelet") return fmt::format("Kubernetes {}\n", kKubernetesVersion);
  return fmt::format("keelson {} (Kubernetes {})\n", KEELSON_VERSION, kKubernetesVersion);
}

}  // namespace

Result<std::map<std::string, std::string>> parseLabels(const std::string& text) {
  std::map<std::string, std::string> labels;
  const json::value pairs = TRY(parsePairs(text, '=', false));
  for (const auto& member : pairs.get_object())
    labels[std::string(member.key())] = std::string(member.value().get_string());
  return labels;
}

Result<std::variant<Flags, FlagsOutput>> parseFlags(const std::vector<std::string>& words,
                                                    const std::string& program) {
  Flags flags;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help" || word == "-h") return {FlagsOutput{renderHelp(program)}};
    if (word == "--version" || word.starts_with("--version=")) return {FlagsOutput{renderVersion(program)}};
    if (word.size() < 2 || word[0] != '-' || (word[1] != '-' && word[1] != 'v'))
      return makeError(Code::kInvalidArgument, "unknown command or flag: {}", word);
    const size_t equals = word.find('=');
    std::string name = word.substr(word[1] == '-' ? 2 : 1,
                                   equals == std::string::npos ? equals : equals - (word[1] == '-' ? 2 : 1));
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    if (word[1] == 'v' && name.size() > 1) {  // -v2
      value = name.substr(1);
      name = "v";
    }
    const FlagSpec* spec = findFlag(name);
    if (spec == nullptr) return makeError(Code::kInvalidArgument, "unknown flag: --{}", name);
    if (!value && spec->form == FlagForm::kBool) value = "true";
    if (!value) {
      if (++i == words.size()) return makeError(Code::kInvalidArgument, "flag needs an argument: --{}", name);
      value = words[i];
    }
    TRY(apply(flags, *spec, *value));
  }
  if (flags.standalone && (!flags.kubeconfig.empty() || !flags.bootstrap_kubeconfig.empty()))
    return makeError(Code::kInvalidArgument, "--standalone excludes --kubeconfig and --bootstrap-kubeconfig");
  TRY(checkLabels(flags.node_labels));
  return {std::move(flags)};
}

Flags followKubeadm(Flags flags, const std::function<bool(const std::string& path)>& exists) {
  constexpr const char* kOwnConfig = "/etc/keelson/config.yaml";
  if (flags.follow_kubeadm && !flags.standalone && flags.isStandalone()) {
    const std::string kubeconfig = "/etc/kubernetes/kubelet.conf";
    const std::string bootstrap = "/etc/kubernetes/bootstrap-kubelet.conf";
    if (exists(kubeconfig) || exists(bootstrap)) {
      flags.kubeconfig = kubeconfig;
      flags.bootstrap_kubeconfig = bootstrap;
      if (flags.config_file.empty()) flags.config_file = "/var/lib/kubelet/config.yaml";
    } else if (flags.config_file.empty() && exists(kOwnConfig)) {
      flags.config_file = kOwnConfig;
    }
  }
  if (!flags.isStandalone() && flags.keelson_config_file.empty() && flags.config_file != kOwnConfig &&
      exists(kOwnConfig))
    flags.keelson_config_file = kOwnConfig;
  return flags;
}

}  // namespace keelson::agent
