#include "runtime/images/image_record.h"

#include "runtime/images/digest.h"
#include "runtime/images/json_field.h"
#include "runtime/images/reference.h"

namespace keelson::runtime::images {
namespace {

constexpr int64_t kVersion = 1;
constexpr size_t kMaxRecordBytes = size_t{1} << 20;

json::array stringArray(const std::vector<std::string>& strings) {
  json::array array;
  for (const auto& text : strings) array.emplace_back(text);
  return array;
}

Result<std::string> digestField(const json::object& object, std::string_view name) {
  return TRY_CTX(parseDigest(TRY(stringField(object, name))), "{}", name);
}

Result<std::vector<std::string>> referencesField(const json::object& object, std::string_view name) {
  auto references = TRY(stringsField(object, name));
  for (const auto& reference : references)
    if (auto parsed = parseReference(reference); !parsed || parsed->str() != reference)
      return makeError(Code::kDataLoss, "{}: \"{}\" is not a full reference", name, reference);
  return references;
}

}  // namespace

std::vector<std::string> ImageRecord::blobs() const {
  std::vector<std::string> digests_of_blobs{manifest_digest, id};
  for (const auto& layer : layers) digests_of_blobs.push_back(layer.digest);
  return digests_of_blobs;
}

std::string ImageRecord::fileName() const { return digestHex(id) + ".json"; }

std::string encodeRecord(const ImageRecord& record) {
  json::array layers;
  for (const auto& layer : record.layers)
    layers.push_back(
        json::object{{"digest", layer.digest}, {"size", layer.size}, {"chainId", layer.chain_id}});
  return prettyJson(json::object{{"version", kVersion},
                                 {"id", record.id},
                                 {"configSize", record.config_size},
                                 {"manifest",
                                  {{"digest", record.manifest_digest},
                                   {"mediaType", record.manifest_media_type},
                                   {"size", record.manifest_size}}},
                                 {"tags", stringArray(record.tags)},
                                 {"digests", stringArray(record.digests)},
                                 {"layers", std::move(layers)},
                                 {"pulled", formatTimeNano(record.pulled)}});
}

Result<ImageRecord> decodeRecord(std::string_view text) {
  const auto value = TRY(parseJson(text, kMaxRecordBytes));
  const auto& object = *TRY(asObject(value, "record"));
  const int64_t version = TRY(integerField(object, "version"));
  if (version > kVersion)
    return makeError(Code::kUnsupported, "version {} of the record is newer than this program", version);
  if (version < 1) return makeError(Code::kDataLoss, "the record has no version");
  ImageRecord record;
  record.id = TRY(digestField(object, "id"));
  record.config_size = TRY(integerField(object, "configSize"));
  const auto* manifest = TRY(objectField(object, "manifest"));
  if (manifest == nullptr) return makeError(Code::kDataLoss, "the record has no manifest");
  record.manifest_digest = TRY(digestField(*manifest, "digest"));
  record.manifest_media_type = TRY(stringField(*manifest, "mediaType"));
  record.manifest_size = TRY(integerField(*manifest, "size"));
  record.tags = TRY(referencesField(object, "tags"));
  record.digests = TRY(referencesField(object, "digests"));
  if (const auto* layers = TRY(arrayField(object, "layers"))) {
    if (layers->size() > kMaxLayers)
      return makeError(Code::kDataLoss, "the record has {} layers", layers->size());
    for (const auto& item : *layers) {
      const auto& layer = *TRY(asObject(item, "layers"));
      record.layers.push_back({TRY(digestField(layer, "digest")), TRY(integerField(layer, "size")),
                               TRY(digestField(layer, "chainId"))});
    }
  }
  record.pulled = TRY_CTX(parseTime(TRY(stringField(object, "pulled"))), "pulled");
  return record;
}

Image imageOf(const ImageRecord& record, const ConfigDocument& config) {
  Image image;
  image.id = record.id;
  image.manifest_digest = record.manifest_digest;
  image.repo_tags = record.tags;
  image.repo_digests = record.digests;
  image.size = Bytes{record.config_size};
  for (const auto& layer : record.layers) {
    image.layer_chain_ids.push_back(layer.chain_id);
    image.size += Bytes{layer.size};
  }
  image.created = config.created;
  image.pulled = record.pulled;
  image.config = config.config;
  return image;
}

std::string renderIndex(const std::vector<ImageRecord>& records) {
  json::array manifests;
  for (const auto& record : records) {
    const json::object entry{{"mediaType", record.manifest_media_type},
                             {"digest", record.manifest_digest},
                             {"size", record.manifest_size}};
    const auto& names = record.tags.empty() ? record.digests : record.tags;
    for (const auto& name : names) {
      json::object named = entry;
      named["annotations"] = json::object{{"org.opencontainers.image.ref.name", name}};
      manifests.push_back(std::move(named));
    }
    if (names.empty()) manifests.push_back(entry);
  }
  return prettyJson(json::object{
      {"schemaVersion", 2}, {"mediaType", std::string(kOciIndex)}, {"manifests", std::move(manifests)}});
}

}  // namespace keelson::runtime::images
