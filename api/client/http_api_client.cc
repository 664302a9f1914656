#include "api/client/http_api_client.h"

#include "api/client/http_core.h"

namespace keelson::api::client {
namespace {

// A call's handle: ends it unless it ended.
class HttpCall final : public Call::Impl {
 public:
  HttpCall(std::weak_ptr<HttpCore> core, uint64_t id) : core_(std::move(core)), id_(id) {}
  ~HttpCall() override {
    if (const auto core = core_.lock()) core->cancel(id_);
  }

 private:
  std::weak_ptr<HttpCore> core_;
  uint64_t id_;
};

class HttpApiClient final : public ApiClient {
 public:
  explicit HttpApiClient(std::shared_ptr<HttpCore> core) : core_(std::move(core)) {}
  ~HttpApiClient() override { core_->close(); }

  Call send(ApiRequest request, Done done) override {
    auto call = std::make_unique<CallState>();
    call->request = std::move(request);
    call->done = std::make_shared<Done>(std::move(done));
    return begin(std::move(call));
  }
  Call stream(ApiRequest request, Duration idle, StreamHandler handler) override {
    auto call = std::make_unique<CallState>();
    call->request = std::move(request);
    call->idle = idle;
    call->stream = std::make_shared<StreamHandler>(std::move(handler));
    return begin(std::move(call));
  }
  const std::string& server() const override { return core_->server(); }

 private:
  Call begin(std::unique_ptr<CallState> call) {
    const uint64_t id = core_->start(std::move(call));
    return Call(std::make_unique<HttpCall>(core_, id));
  }
  std::shared_ptr<HttpCore> core_;
};

}  // namespace

Result<std::unique_ptr<ApiClient>> makeHttpApiClient(Loop& loop, Lane& lane, ClientSettings settings) {
  auto source = TRY(AccessSource::make(settings.connection, proxyEnvironment(), realClock()));
  TRY(source->check());
  auto core = std::make_shared<HttpCore>(loop, lane, std::move(settings), std::move(source), realClock());
  return std::unique_ptr<ApiClient>(std::make_unique<HttpApiClient>(std::move(core)));
}

}  // namespace keelson::api::client
