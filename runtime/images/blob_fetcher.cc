#include "runtime/images/blob_fetcher.h"

#include <optional>

namespace keelson::runtime::images {
namespace {

constexpr int kMaxResumes = 20;   // of one blob at one registry
constexpr int kMaxFruitless = 2;  // of those in a row without one more byte

// One blob on its way from one or several registries. Lives on fetch()'s stack.
class Transfer {
 public:
  Transfer(const Descriptor& blob, const BlobFetcher::Sink& sink) : blob_(blob), sink_(sink) {}

  // ok when all bytes were handed over.
  Result<void> from(RegistrySession& session, Stop& stop) {
    int fruitless = 0;
    for (int i = 0;; ++i) {
      const int64_t before = received_;
      auto done = session.blob(
          blob_.digest, received_, [this](std::string_view piece) { return take(piece); }, stop);
      if (refused_) return *refused_;
      if (done && received_ == blob_.size) return {};
      if (done)
        return makeError(Code::kDataLoss, "registry {} sent {} of {} bytes of blob {}", session.host(),
                         received_, blob_.size, blob_.digest);
      const Code code = done.error().code;
      const bool broke_off = code == Code::kUnavailable || code == Code::kDeadlineExceeded;
      fruitless = received_ > before ? 0 : fruitless + 1;
      if (!broke_off || received_ == 0 || fruitless >= kMaxFruitless || i >= kMaxResumes) return done;
      TRY(stop.check("fetch blob " + blob_.digest));
    }
  }

  bool refused() const { return refused_.has_value(); }

 private:
  Result<void> take(std::string_view piece) {
    received_ += static_cast<int64_t>(piece.size());
    auto taken =
        received_ > blob_.size
            ? Result<void>(makeError(Code::kDataLoss, "blob {} is longer than the {} bytes announced",
                                     blob_.digest, blob_.size))
            : sink_(piece);
    if (!taken) refused_ = taken.error();
    return taken;
  }

  const Descriptor& blob_;
  const BlobFetcher::Sink& sink_;
  int64_t received_ = 0;
  std::optional<Error> refused_;  // the receiver's error: another registry would not help
};

}  // namespace

Result<void> RegistryFetcher::fetch(const Descriptor& blob, const Sink& sink, Stop& stop) {
  Transfer transfer(blob, sink);
  Result<void> last = makeError(Code::kNotFound, "no registry to fetch blob {} from", blob.digest);
  for (const auto& session : sessions_) {
    last = transfer.from(*session, stop);
    if (last || transfer.refused()) return last;
    TRY(stop.check("fetch blob " + blob.digest));
  }
  return last;
}

}  // namespace keelson::runtime::images
