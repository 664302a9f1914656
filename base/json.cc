#include "base/json.h"

namespace keelson {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr std::string_view kBlanks = " \t\r\n";

void indent(std::string& out, size_t depth) { out.append(depth * 2, ' '); }

void write(std::string& out, const json::value& value, size_t depth);

void writeArray(std::string& out, const json::array& array, size_t depth) {
  if (array.empty()) {
    out += "[]";
    return;
  }
  out += "[\n";
  for (const json::value& element : array) {
    indent(out, depth + 1);
    write(out, element, depth + 1);
    out += &element == &array.back() ? "\n" : ",\n";
  }
  indent(out, depth);
  out += ']';
}

void writeObject(std::string& out, const json::object& object, size_t depth) {
  if (object.empty()) {
    out += "{}";
    return;
  }
  out += "{\n";
  size_t left = object.size();
  for (const auto& [key, element] : object) {
    indent(out, depth + 1);
    out += json::serialize(key);
    out += ": ";
    write(out, element, depth + 1);
    out += --left == 0 ? "\n" : ",\n";
  }
  indent(out, depth);
  out += '}';
}

void write(std::string& out, const json::value& value, size_t depth) {
  if (value.is_array()) {
    writeArray(out, value.get_array(), depth);
  } else if (value.is_object()) {
    writeObject(out, value.get_object(), depth);
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

Result<json::value> parseJson(std::string_view text, size_t limit) {
  if (text.size() > limit) {
    return makeError(Code::kInvalidArgument, "JSON of {} bytes is larger than the limit of {}", text.size(),
                     limit);
  }
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::parser parser({}, options);
  json::error_code error;
  const size_t used = parser.write_some(text.data(), text.size(), error);
  if (error) return makeError(Code::kInvalidArgument, "JSON at byte {}: {}", used, error.message());
  const size_t extra = text.find_first_not_of(kBlanks, used);
  if (extra != std::string_view::npos) {
    return makeError(Code::kInvalidArgument, "JSON at byte {}: extra data after the value", extra);
  }
  return parser.release();
}

std::string prettyJson(const json::value& value) {
  std::string out;
  write(out, value, 0);
  out += '\n';
  return out;
}

}  // namespace keelson
