// $(VAR) references in commands, arguments and values.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace keelson::runtime {

// Kubernetes' expansion: $(NAME) becomes the variable's value, an unknown one stays as it is, $$ becomes $.
// Values are not expanded again. Pure; the result is at most kMaxExpandedBytes long, further text is cut.
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
std::string expandVariables(std::string_view text, const std::map<std::string, std::string>& variables);

// The kernel takes no single argument or variable beyond 128 KiB (MAX_ARG_STRLEN) anyway.
inline constexpr size_t kMaxExpandedBytes = size_t{1} << 20;

}  // namespace keelson::runtime
