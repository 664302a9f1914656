#include "agent/image_upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <optional>

namespace keelson::agent {
namespace {

namespace asio = boost::asio;
using kubelet::server::ByteSink;
using kubelet::server::Reply;
using Imported = Result<std::vector<std::shared_ptr<const runtime::Image>>>;

constexpr Duration kImportTime = std::chrono::minutes(30);

// Home: loop. The import itself runs on the lane and posts its outcome back.
class ImageUpload : public ByteSink {
 public:
  ImageUpload(Loop& loop, const Stop& stop, UniqueFd write_end)
      : core_(std::make_shared<Core>(loop, stop.within(kImportTime))) {
    core_->pipe.assign(write_end.release());
  }
  ~ImageUpload() override {
    core_->finished = nullptr;
    core_->closePipe();
  }

  void run(Loop& loop, Lane& lane, runtime::ImageService& images, UniqueFd read_end,
           const std::string& name) {
    auto source = std::make_shared<UniqueFd>(std::move(read_end));
    lane.post([core = core_, &loop, &images, source, name] {
      auto outcome = std::make_shared<Imported>(images.importArchive(source->get(), name, core->stop));
      source->reset();  // a writer that still has pieces gets EPIPE instead of waiting
      loop.post([core, outcome] {
        core->outcome = std::move(*outcome);
        core->answer();
      });
    });
  }

  void write(std::string piece, std::function<void(Result<void>)> done) override {
    auto kept = std::make_shared<std::string>(std::move(piece));
    asio::async_write(core_->pipe, asio::buffer(*kept),
                      [kept, core = core_, done = std::move(done)](boost::system::error_code, size_t) {
                        // A reader that gave up has an outcome that says why: finish() reports it.
                        done({});
                      });
  }

  void finish(std::function<void(Reply)> done) override {
    core_->closePipe();
    core_->finished = std::move(done);
    core_->answer();
  }

 private:
  struct Core {
    Core(Loop& loop, Stop until) : pipe(loop.context()), stop(std::move(until)) {}

    void closePipe() {
      boost::system::error_code ignored;
      pipe.close(ignored);
    }
    void answer() {
      if (!outcome || !finished) return;
      std::exchange(finished, nullptr)(outcome->ok() ? Reply::ofJson(encodeImported(**outcome))
                                                     : Reply::ofError(outcome->error()));
    }

    asio::posix::stream_descriptor pipe;
    Stop stop;
    std::optional<Imported> outcome;
    std::function<void(Reply)> finished;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace

json::value encodeImported(const std::vector<std::shared_ptr<const runtime::Image>>& images) {
  json::array items;
  for (const auto& image : images) {
    json::array tags;
    for (const std::string& tag : image->repo_tags) tags.emplace_back(tag);
    items.push_back({{"id", image->id}, {"repoTags", std::move(tags)}, {"sizeBytes", image->size.value}});
  }
  return {{"kind", "List"}, {"apiVersion", "v1"}, {"items", std::move(items)}};
}

Result<std::unique_ptr<ByteSink>> makeImageUpload(Loop& loop, Lane& lane, runtime::ImageService& images,
                                                  const Stop& stop, const std::string& name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sysError("image import: pipe2");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  ::fcntl(write_end.get(), F_SETFL, O_NONBLOCK);
  auto upload = std::make_unique<ImageUpload>(loop, stop, std::move(write_end));
  upload->run(loop, lane, images, std::move(read_end), name);
  return std::unique_ptr<ByteSink>(std::move(upload));
}

}  // namespace keelson::agent
