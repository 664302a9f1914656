#include "api/object.h"

#include "api/field_errors.h"
#include "api/yaml.h"

namespace keelson::api {
namespace {

std::string_view textAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view{} : std::string_view(text->data(), text->size());
}

std::string_view metadataText(const json::object& object, std::string_view name) {
  const json::value* metadata = object.if_contains("metadata");
  const json::object* inner = metadata == nullptr ? nullptr : metadata->if_object();
  return inner == nullptr ? std::string_view{} : textAt(*inner, name);
}

std::string titleOf(std::string_view kind, std::string_view name_space, std::string_view name) {
  return fmt::format("{} {}{}{}", kind, name_space, name_space.empty() ? "" : "/", name);
}

// Decodes the objects of one document after the other. Lives in one decodeManifest.
class ManifestReader {
 public:
  explicit ManifestReader(UnknownFields unknown) : unknown_(unknown) {}

  void readDocument(const YamlDocument& document, size_t number) {
    readObject(document.value, fmt::format("document {} (line {}", number, document.line), "");
  }

  Result<Manifest> result() && {
    TRY(errors_.result());
    return std::move(manifest_);
  }

 private:
  // `where` lacks its closing parenthesis: the kind and name follow as soon as they are known.
  void readObject(const json::value& value, const std::string& where, std::string_view list_kind);
  void readList(const json::array& items, const std::string& where, std::string_view list_kind);
  template <class T>
  void add(const json::value& value, const std::string& context);

  UnknownFields unknown_;
  Manifest manifest_;
  FieldErrors errors_;
};

void ManifestReader::readObject(const json::value& value, const std::string& where,
                                std::string_view list_kind) {
  const json::object* object = value.if_object();
  if (object == nullptr) return errors_.add(where + "): expected an object");
  // The items of a PodList need not repeat what the list says.
  const std::string_view api_version = textAt(*object, "apiVersion");
  std::string_view kind = textAt(*object, "kind");
  const bool implied = kind.empty() && !list_kind.empty();
  if (implied) kind = list_kind;
  const std::string_view name = metadataText(*object, "name");
  std::string context = where;
  if (!kind.empty()) context += fmt::format(", {}", kind);
  if (!name.empty()) context += (kind.empty() ? ", " : " ") + quoted(name);
  context += "): ";
  if (kind.empty()) return errors_.add(context + "kind: Required value");
  if (api_version.empty() && !implied) return errors_.add(context + "apiVersion: Required value");

  const json::value* items = object->if_contains("items");
  if (kind.ends_with("List") && items != nullptr) {
    const json::array* array = items->if_array();
    if (array == nullptr) return errors_.add(context + "items: expected a list");
    return readList(*array, where, kind.substr(0, kind.size() - 4));
  }
  if (manifest_.objects.size() >= kMaxManifestObjects) {
    return errors_.add(fmt::format("{}more than {} objects", context, kMaxManifestObjects));
  }
  const bool core = api_version == "v1" || implied;
  if (kind == "Pod" && core) return add<Pod>(value, context);
  if (kind == "ConfigMap" && core) return add<ConfigMap>(value, context);
  if (kind == "Secret" && core) return add<Secret>(value, context);
  if (kind == "Service" && core) return add<Service>(value, context);
  if (kind == "Node" && core) return add<Node>(value, context);
  if (kind == "RuntimeClass" && (api_version == "node.k8s.io/v1" || implied)) {
    return add<RuntimeClass>(value, context);
  }
  manifest_.objects.emplace_back(UnknownObject{std::string(api_version), std::string(kind),
                                               std::string(metadataText(*object, "namespace")),
                                               std::string(name)});
}

void ManifestReader::readList(const json::array& items, const std::string& where,
                              std::string_view list_kind) {
  for (size_t i = 0; i < items.size() && manifest_.objects.size() <= kMaxManifestObjects; ++i) {
    readObject(items[i], fmt::format("{}, item {}", where, i), list_kind);
  }
}

template <class T>
void ManifestReader::add(const json::value& value, const std::string& context) {
  auto decoded = decode<T>(value, unknown_);
  if (!decoded) return errors_.add(context + decoded.error().text);
  for (const auto& warning : decoded->warnings) {
    if (manifest_.warnings.size() < kMaxFieldErrors) manifest_.warnings.push_back(context + warning);
  }
  manifest_.objects.emplace_back(std::move(decoded->value));
}

}  // namespace

std::string objectTitle(const Object& object) {
  struct Title {
    std::string operator()(const Pod& it) const { return of("Pod", it.metadata); }
    std::string operator()(const ConfigMap& it) const { return of("ConfigMap", it.metadata); }
    std::string operator()(const Secret& it) const { return of("Secret", it.metadata); }
    std::string operator()(const Service& it) const { return of("Service", it.metadata); }
    std::string operator()(const Node& it) const { return of("Node", it.metadata); }
    std::string operator()(const RuntimeClass& it) const { return of("RuntimeClass", it.metadata); }
    std::string operator()(const UnknownObject& it) const { return titleOf(it.kind, it.namespace_, it.name); }
    static std::string of(std::string_view kind, const ObjectMeta& metadata) {
      return titleOf(kind, metadata.namespace_, metadata.name);
    }
  };
  return std::visit(Title{}, object);
}

Result<Manifest> decodeManifest(std::string_view text, UnknownFields unknown) {
  if (text.size() > kMaxManifestBytes) {
    return makeError(Code::kResourceExhausted, "manifest of {} bytes is larger than the limit of {}",
                     text.size(), kMaxManifestBytes);
  }
  const auto documents = TRY(parseYaml(text));
  ManifestReader reader(unknown);
  for (size_t i = 0; i < documents.size(); ++i) reader.readDocument(documents[i], i + 1);
  return std::move(reader).result();
}

}  // namespace keelson::api
