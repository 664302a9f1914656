// RFC 6902.
#include <charconv>
#include <optional>

#include "tests/fakes/api_server/patch.h"

namespace keelson::fakes {
namespace {

// Upstream says no more than this.
Answer refused() {
  return statusFailure(422, "Invalid", "the server rejected our request due to an error in our request");
}

// RFC 6901: "/a/b~1c/0" as tokens.
std::optional<std::vector<std::string>> pointerTokens(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (pointer[0] != '/') return std::nullopt;
  for (const char c : pointer) {
    if (c == '/') {
      tokens.emplace_back();
    } else {
      tokens.back() += c;
    }
  }
  for (auto& token : tokens) {
    for (const auto& [code, text] : {std::pair{"~1", "/"}, std::pair{"~0", "~"}}) {
      for (auto at = token.find(code); at != token.npos; at = token.find(code, at + 1))
        token.replace(at, 2, text);
    }
  }
  return tokens;
}

std::optional<size_t> indexOf(const std::string& token, size_t size, bool may_be_end) {
  if (token == "-" && may_be_end) return size;
  size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  if (index > size || (index == size && !may_be_end)) return std::nullopt;
  return index;
}

json::value* lookUp(json::value& root, const std::vector<std::string>& tokens, size_t count) {
  json::value* at = &root;
  for (size_t i = 0; i < count; ++i) {
    if (auto* object = at->if_object()) {
      at = object->if_contains(tokens[i]);
    } else if (auto* array = at->if_array()) {
      const auto index = indexOf(tokens[i], array->size(), false);
      at = index ? &(*array)[*index] : nullptr;
    } else {
      at = nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

bool addAt(json::value& root, const std::vector<std::string>& tokens, json::value value) {
  if (tokens.empty()) {
    root = std::move(value);
    return true;
  }
  auto* parent = lookUp(root, tokens, tokens.size() - 1);
  if (parent == nullptr) return false;
  if (auto* object = parent->if_object()) {
    (*object)[tokens.back()] = std::move(value);
    return true;
  }
  auto* array = parent->if_array();
  if (array == nullptr) return false;
  const auto index = indexOf(tokens.back(), array->size(), true);
  if (!index) return false;
  array->insert(array->begin() + static_cast<ptrdiff_t>(*index), std::move(value));
  return true;
}

bool removeAt(json::value& root, const std::vector<std::string>& tokens) {
  if (tokens.empty() || lookUp(root, tokens, tokens.size()) == nullptr) return false;
  auto* parent = lookUp(root, tokens, tokens.size() - 1);
  if (auto* object = parent->if_object()) {
    object->erase(tokens.back());
  } else {
    auto& array = parent->get_array();
    array.erase(array.begin() + static_cast<ptrdiff_t>(*indexOf(tokens.back(), array.size(), false)));
  }
  return true;
}

Outcome<void> apply(json::value& root, const json::object& step) {
  const auto textOf = [&](const char* key) {
    const auto* value = step.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  const auto op = textOf("op"), path = textOf("path"), from = textOf("from");
  const auto tokens = pointerTokens(path), source = pointerTokens(from);
  const auto* value = step.if_contains("value");
  if (!tokens || !source) return badRequest("json patch: a path begins with '/': " + path);
  if (op == "remove") {
    if (!removeAt(root, *tokens)) return refused();
    return {};
  }
  if (op == "move" || op == "copy") {
    const auto* found = lookUp(root, *source, source->size());
    if (found == nullptr) return refused();
    json::value copy = *found;
    if (op == "move") removeAt(root, *source);
    if (!addAt(root, *tokens, std::move(copy))) return refused();
    return {};
  }
  if (op != "add" && op != "replace" && op != "test") return refused();
  if (value == nullptr && op != "test") return refused();
  auto* found = lookUp(root, *tokens, tokens->size());
  if (op == "test") {
    const json::value wanted = value == nullptr ? json::value() : *value;
    if ((found == nullptr ? json::value() : *found) != wanted) return refused();
    return {};
  }
  if (op == "replace") {
    if (found == nullptr) return refused();
    *found = *value;
    return {};
  }
  if (!addAt(root, *tokens, *value)) return refused();
  return {};
}

}  // namespace

Outcome<json::value> jsonPatch(json::value original, const json::value& patch) {
  const auto* steps = patch.if_array();
  if (steps == nullptr) return badRequest("json patch: expected an array of operations");
  if (steps->size() > 10000) return badRequest("json patch: more than 10000 operations");
  for (const auto& step : *steps) {
    if (!step.is_object()) return badRequest("json patch: an operation is an object");
    TRY(apply(original, step.get_object()));
  }
  return original;
}

}  // namespace keelson::fakes
