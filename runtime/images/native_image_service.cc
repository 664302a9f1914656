#include "runtime/images/native_image_service.h"

#include "runtime/images/archive_import.h"
#include "runtime/images/image_lookup.h"
#include "runtime/images/ingest.h"
#include "runtime/images/puller.h"
#include "runtime/images/store.h"

namespace keelson::runtime {
namespace {

constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";
constexpr size_t kMaxBootIdBytes = 128;

}  // namespace

struct NativeImageService::Impl {
  Impl(std::shared_ptr<images::ImageStore> opened, NativeImageOptions options, HttpClient& http, Clock& clock)
      : store(std::move(opened)),
        ingest(store, clock, {options.parallel_layers, options.unpack}),
        puller(store, ingest, http, std::move(options.registries), images::hostPlatform()) {}

  std::shared_ptr<images::ImageStore> store;
  images::Ingest ingest;
  images::Puller puller;
};

NativeImageService::NativeImageService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NativeImageService::~NativeImageService() = default;

Result<std::unique_ptr<NativeImageService>> NativeImageService::open(NativeImageOptions options,
                                                                     HttpClient& http, Clock& clock) {
  if (options.boot_id.empty()) options.boot_id = TRY(readFile(kBootIdFile, kMaxBootIdBytes));
  if (options.parallel_layers == 0)
    return makeError(Code::kInvalidArgument, "at least one layer must be fetched at a time");
  auto store = TRY(images::ImageStore::open({options.root, options.boot_id, options.lane}));
  return std::unique_ptr<NativeImageService>(
      new NativeImageService(std::make_unique<Impl>(std::move(store), std::move(options), http, clock)));
}

Result<std::shared_ptr<const Image>> NativeImageService::find(const std::string& reference) const {
  return images::findImage(*impl_->store->images(), reference);
}

std::vector<std::shared_ptr<const Image>> NativeImageService::list() const { return *impl_->store->images(); }

Result<std::shared_ptr<const Image>> NativeImageService::pull(
    const std::string& reference, const std::vector<RegistryCredentials>& credentials,
    const std::function<void(const PullProgress&)>& progress, Stop& stop) {
  return impl_->puller.pull(TRY(images::parseReference(reference)), credentials, progress, stop);
}

Result<std::vector<std::shared_ptr<const Image>>> NativeImageService::importArchive(int fd,
                                                                                    const std::string& name,
                                                                                    Stop& stop) {
  return images::ArchiveImport(impl_->store, impl_->ingest, images::hostPlatform()).run(fd, name, stop);
}

Result<void> NativeImageService::remove(const std::string& reference) {
  const auto image = TRY(find(reference));
  if (!image) return makeError(Code::kNotFound, "no image {}", reference);
  const auto untag = TRY(images::planUntag(*image, reference));
  TRY_CTX(impl_->store->untag(image->id, untag), "remove image {}", reference);
  return {};
}

Result<ImageLayers> NativeImageService::openLayers(const Image& image) const {
  return TRY_CTX(impl_->store->lease(image.layer_chain_ids), "image {}", image.id);
}

ErrorList NativeImageService::cleanUp() { return impl_->store->cleanUp(); }

void NativeImageService::dropInheritedLeases() { impl_->store->dropInheritedLeases(); }

}  // namespace keelson::runtime
