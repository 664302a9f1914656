// JSON text to values and back, with limits.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson {

namespace json = boost::json;

// Parses one JSON text; nesting deeper than 64 or trailing bytes are kInvalidArgument, with the
// byte offset in the text. `limit` bounds the input's size.
Result<json::value> parseJson(std::string_view text, size_t limit = size_t{16} << 20);
// Two-space indented with a final newline (files, `-o json`); json::serialize gives the compact form.
std::string prettyJson(const json::value& value);

}  // namespace keelson
