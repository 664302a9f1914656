#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "api/yaml.h"
#include "api/yaml_scalar.h"

namespace keelson::api {
namespace {

// May stand without quotes and is read back as the same string.
bool isPlainSafe(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (text == "<<" || text == "=" || text.starts_with("---") || text.starts_with("...")) return false;
  const bool dashed = text.front() == '-' || text.front() == '?' || text.front() == ':';
  if (dashed && (text.size() == 1 || text[1] == ' ')) return false;
  if (std::string_view(",[]{}#&*!|>'\"%@`").find(text.front()) != std::string_view::npos) return false;
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) return false;
  for (char c : text) {
    // Beyond ASCII only quotes are safe everywhere: YAML 1.1 has line breaks there.
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) return false;
  }
  const auto meaning = resolvePlainScalar(text);
  return meaning.ok() && meaning->is_string();
}

// May stand as a literal block: lines of printable ASCII, the first one not indented.
bool isBlockSafe(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == ' ' || text.front() == '\n') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f);
  });
}

std::string keyText(std::string_view key) {
  return isPlainSafe(key) && key.size() <= 128 ? std::string(key) : json::serialize(json::string(key));
}

void writeBlock(std::string& out, std::string_view text, size_t indent) {
  const size_t last = text.find_last_not_of('\n');
  const size_t breaks = text.size() - last - 1;
  out += breaks == 0 ? "|-" : breaks == 1 ? "|" : "|+";
  std::string_view rest = breaks == 0 ? text : text.substr(0, text.size() - 1);
  while (true) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    out += '\n';
    if (!line.empty()) out.append(indent, ' ').append(line);
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
  }
}

void writeScalar(std::string& out, const json::value& value, size_t indent) {
  if (const json::string* string = value.if_string()) {
    const std::string_view text(string->data(), string->size());
    if (isPlainSafe(text)) {
      out += text;
    } else if (!text.empty() && isBlockSafe(text)) {
      writeBlock(out, text, std::max<size_t>(indent, 2));
    } else {
      out += json::serialize(value);
    }
  } else if (const double* real = value.if_double()) {
    std::string text = fmt::format("{}", *real);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    out += text;
  } else {
    out += json::serialize(value);
  }
}

bool isFlat(const json::value& value) {
  const json::object* object = value.if_object();
  const json::array* array = value.if_array();
  return (object == nullptr || object->empty()) && (array == nullptr || array->empty());
}

void writeNode(std::string& out, const json::value& value, size_t indent);

void writeMap(std::string& out, const json::object& object, size_t indent) {
  std::vector<std::pair<std::string_view, const json::value*>> members;
  for (const auto& member : object) {
    members.emplace_back(std::string_view(member.key().data(), member.key().size()), &member.value());
  }
  std::sort(members.begin(), members.end());
  bool first = true;
  for (const auto& [key, value] : members) {
    if (!first) out.append(indent, ' ');
    first = false;
    out += keyText(key);
    out += ':';
    if (isFlat(*value)) {
      out += ' ';
      writeScalar(out, *value, indent + 2);
      out += '\n';
    } else {
      // Lists stand under their key without further indentation, as kubectl writes them.
      const size_t inner = value->is_array() ? indent : indent + 2;
      out += '\n';
      out.append(inner, ' ');
      writeNode(out, *value, inner);
    }
  }
}

void writeList(std::string& out, const json::array& array, size_t indent) {
  bool first = true;
  for (const json::value& item : array) {
    if (!first) out.append(indent, ' ');
    first = false;
    out += "- ";
    writeNode(out, item, indent + 2);
  }
}

// At the current column, which is `indent`; ends with a line break.
void writeNode(std::string& out, const json::value& value, size_t indent) {
  if (isFlat(value)) {
    writeScalar(out, value, indent);
    out += '\n';
  } else if (const json::object* object = value.if_object()) {
    writeMap(out, *object, indent);
  } else {
    writeList(out, value.get_array(), indent);
  }
}

}  // namespace

std::string renderYaml(const json::value& value) {
  std::string out;
  writeNode(out, value, 0);
  return out;
}

}  // namespace keelson::api
