// The daemon's command line.
#pragma once

#include <optional>
#include <variant>

#include "agent/config.h"

namespace keelson::agent {

// The parsed flags, or the exit code of a run that ends here (--help, --version, an error that has
// been printed with the flag's name).
std::variant<Flags, int> parseFlags(int argc, char** argv);

// "a=b,c=d" as kubelet's --node-labels takes it.
Result<std::map<std::string, std::string>> parseLabels(const std::string& text);

}  // namespace keelson::agent
