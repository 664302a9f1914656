#include "runtime/expand.h"

namespace keelson::runtime {

// The same cases as k8s.io/kubernetes/third_party/forked/golang/expansion.
std::string expandVariables(std::string_view text, const std::map<std::string, std::string>& variables) {
  std::string out;
  while (!text.empty() && out.size() < kMaxExpandedBytes) {
    const size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.empty() || (text[0] != '$' && text[0] != '(')) {
      out += '$';
      continue;
    }
    if (text[0] == '$') {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const size_t close = text.find(')');
    if (close == std::string_view::npos) {  // not a reference
      out += "$(";
      text.remove_prefix(1);
      continue;
    }
    const auto variable = variables.find(std::string(text.substr(1, close - 1)));
    if (variable != variables.end()) {
      out += variable->second;
    } else {
      out += '$';
      out += text.substr(0, close + 1);
    }
    text.remove_prefix(close + 1);
  }
  if (out.size() > kMaxExpandedBytes) out.resize(kMaxExpandedBytes);
  return out;
}

}  // namespace keelson::runtime
