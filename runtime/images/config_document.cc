#include "runtime/images/config_document.h"

#include "runtime/images/digest.h"
#include "runtime/images/json_field.h"

namespace keelson::runtime::images {
namespace {

// Docker writes a string here when an image was built from the old shell form.
Result<std::vector<std::string>> commandField(const json::object& object, std::string_view name) {
  const auto* value = findField(object, name);
  if (value != nullptr && value->is_string())
    return std::vector<std::string>{"/bin/sh", "-c", std::string(value->get_string())};
  return stringsField(object, name);
}

Result<ImageConfig> decodeRunConfig(const json::object& object) {
  ImageConfig config;
  config.entrypoint = TRY(commandField(object, "Entrypoint"));
  config.cmd = TRY(commandField(object, "Cmd"));
  config.env = TRY(stringsField(object, "Env"));
  config.user = TRY(stringField(object, "User"));
  config.working_dir = TRY(stringField(object, "WorkingDir"));
  config.stop_signal = TRY(stringField(object, "StopSignal"));
  config.labels = TRY(stringMapField(object, "Labels"));
  if (const auto* volumes = TRY(objectField(object, "Volumes")))
    for (const auto& volume : *volumes) config.volumes.emplace_back(volume.key());
  return config;
}

}  // namespace

Result<ConfigDocument> decodeConfig(std::string_view bytes) {
  const auto value = TRY_CTX(parseJson(bytes, kMaxConfigBytes), "image configuration");
  const auto& object = *TRY(asObject(value, "image configuration"));
  ConfigDocument document;
  document.platform = {TRY(stringField(object, "os")), TRY(stringField(object, "architecture")),
                       TRY(stringField(object, "variant"))};
  if (auto created = parseTime(TRY(stringField(object, "created")))) document.created = created.value();
  if (const auto* config = TRY(objectField(object, "config")))
    document.config = TRY_CTX(decodeRunConfig(*config), "image configuration");
  if (const auto* rootfs = TRY(objectField(object, "rootfs"))) {
    for (const auto& diff_id : TRY(stringsField(*rootfs, "diff_ids")))
      document.diff_ids.push_back(TRY_CTX(parseDigest(diff_id), "diff_ids"));
  }
  if (document.diff_ids.size() > kMaxLayers)
    return makeError(Code::kResourceExhausted,
                     "image configuration: {} layers, no more than {} are supported",
                     document.diff_ids.size(), kMaxLayers);
  return document;
}

std::vector<std::string> chainIds(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chain;
  for (const auto& diff_id : diff_ids) chain.push_back(chainId(chain.empty() ? "" : chain.back(), diff_id));
  return chain;
}

}  // namespace keelson::runtime::images
