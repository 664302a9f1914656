#include "kubelet/node/node_watch.h"

namespace keelson::kubelet::node {
namespace {

class InformerNodeWatch final : public NodeWatch {
 public:
  InformerNodeWatch(Loop& loop, Lane& lane, api::client::ApiClient& client, const std::string& name)
      : name_(name), informer_(loop, lane, client, {"/api/v1/nodes", "metadata.name=" + name, ""}) {}

  void start(Listener listener) override {
    informer_.start([this, listener = std::move(listener)](const auto&) {
      const auto found = informer_.objects().find(name_);
      listener(found == informer_.objects().end() ? nullptr : found->second);
    });
  }
  void stop() override { informer_.stop(); }

 private:
  std::string name_;
  api::client::Informer<api::Node> informer_;
};

}  // namespace

std::unique_ptr<NodeWatch> makeNodeWatch(Loop& loop, Lane& lane, api::client::ApiClient& client,
                                         const std::string& name) {
  return std::make_unique<InformerNodeWatch>(loop, lane, client, name);
}

}  // namespace keelson::kubelet::node
