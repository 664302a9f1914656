// Any bytes as the documents that registries and archives send.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/images/archive_names.h"
#include "runtime/images/config_document.h"
#include "runtime/images/digest.h"
#include "runtime/images/image_record.h"
#include "runtime/images/manifest.h"
#include "runtime/images/registry_auth.h"
#include "runtime/images/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::runtime::images;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto document = decodeManifest(text, kOciManifest)) {
    if (const auto* manifest = std::get_if<ImageManifest>(&*document)) {
      if (!isDigest(manifest->config.digest) || manifest->layers.size() > kMaxLayers) std::abort();
      const auto again = decodeManifest(renderManifest(*manifest), "");
      if (!again || std::get<ImageManifest>(*again).layers.size() != manifest->layers.size()) std::abort();
    } else if (const auto picked = pickPlatform(std::get<ImageIndex>(*document), hostPlatform())) {
      if (!isDigest(picked->digest)) std::abort();
    }
  }
  if (const auto config = decodeConfig(text))
    if (chainIds(config->diff_ids).size() != config->diff_ids.size()) std::abort();
  if (const auto record = decodeRecord(text))
    if (const auto again = decodeRecord(encodeRecord(*record)); !again || !(*again == *record)) std::abort();
  static_cast<void>(decodeSavedImages(text).ok());
  parseChallenges(text);
  if (const auto url = Url::parse("https://host.example/a/b?c"))
    if (const auto next = url->resolve(text))
      if (next->scheme != "http" && next->scheme != "https") std::abort();
  return 0;
}
