// Shell completion.
#pragma once

#include <string>

#include "base/result.h"

namespace keelson::keelctl {

// The script for "bash" or "zsh"; kInvalidArgument for other shells.
Result<std::string> completionScript(const std::string& shell);

}  // namespace keelson::keelctl
