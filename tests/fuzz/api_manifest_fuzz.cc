// Any bytes as a manifest: an answer, never a crash; and what was read survives the way out and in again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "api/defaults.h"
#include "api/object.h"
#include "api/validate.h"
#include "api/yaml.h"

namespace {

using namespace keelson;

void require(bool holds, const char* what, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "%s\n%.*s\n", what, static_cast<int>(text.size()), text.data());
  std::abort();
}

// YAML's implicit keys end at 1024 characters.
bool hasLongKey(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    for (const auto& item : *array) {
      if (hasLongKey(item)) return true;
    }
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return false;
  for (const auto& member : *object) {
    if (member.key().size() > 150 || hasLongKey(member.value())) return true;
  }
  return false;
}

void checkYaml(std::string_view text) {
  const auto documents = api::parseYaml(text);
  if (!documents) return;
  for (const auto& document : *documents) {
    if (hasLongKey(document.value)) continue;
    const std::string rendered = api::renderYaml(document.value);
    const auto again = api::parseYaml(rendered);
    require(again.ok(), "rendered YAML is not read", rendered);
    require(again->size() == 1 && again->front().value == document.value, "rendered YAML reads otherwise",
            rendered);
  }
}

// A given zero and an absent value mean the same only once defaults are filled in.
void checkPod(const api::Pod& pod) {
  const api::Pod complete = api::defaultPod(pod);
  const json::value encoded = api::encode(complete);
  require(api::defaultPod(complete) == complete, "defaults are not stable", json::serialize(encoded));
  const auto again = api::decode<api::Pod>(encoded, api::UnknownFields::kRefuse);
  require(again.ok(), "an encoded pod is not read", json::serialize(encoded));
  require(json::serialize(api::encode(again->value)) == json::serialize(encoded),
          "an encoded pod reads otherwise", json::serialize(encoded));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  checkYaml(text);
  const auto manifest = api::decodeManifest(text);
  if (!manifest) return 0;
  for (const auto& object : manifest->objects) {
    if (const auto* pod = std::get_if<api::Pod>(&object)) checkPod(*pod);
    const auto result = api::validateObject(api::defaultObject(object));
    require(result.ok() || !result.error().text.empty(), "a refusal without a reason", text);
  }
  return 0;
}
