// IntOrString: a port by number or by name, an absolute or a percentage.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace keelson::api {

using IntOrString = std::variant<int32_t, std::string>;

}  // namespace keelson::api
