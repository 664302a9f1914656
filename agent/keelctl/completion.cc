#include "agent/keelctl/completion.h"

namespace keelson::keelctl {
namespace {

// Pod names come from the daemon; everything else is fixed.
constexpr const char* kBash = R"SCRIPT(# bash completion for keelctl:  source <(keelctl completion bash)
_keelctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}
  local verbs="get describe logs exec images image top timeline completion version"
  if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "$verbs" -- "$cur")); return; fi
  case $verb in
    get) COMPREPLY=($(compgen -W "pods manifests network health images -o -n -A" -- "$cur"));;
    image) [ "$COMP_CWORD" = 2 ] && COMPREPLY=($(compgen -W "import pull rm" -- "$cur")) || COMPREPLY=($(compgen -f -- "$cur"));;
    describe) [ "$COMP_CWORD" = 2 ] && COMPREPLY=($(compgen -W "pod" -- "$cur")) || COMPREPLY=($(compgen -W "$(keelctl get pods -o name 2>/dev/null | cut -d/ -f2)" -- "$cur"));;
    logs|exec|timeline) COMPREPLY=($(compgen -W "$(keelctl get pods -o name 2>/dev/null | cut -d/ -f2)" -- "$cur"));;
    completion) COMPREPLY=($(compgen -W "bash zsh" -- "$cur"));;
  esac
}
complete -F _keelctl keelctl
)SCRIPT";

constexpr const char* kZsh = R"SCRIPT(# zsh completion for keelctl:  source <(keelctl completion zsh)
autoload -U +X bashcompinit && bashcompinit
)SCRIPT";

}  // namespace

Result<std::string> completionScript(const std::string& shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh) + kBash;
  return makeError(Code::kInvalidArgument, "completion: expected bash or zsh, got \"{}\"", shell);
}

}  // namespace keelson::keelctl
