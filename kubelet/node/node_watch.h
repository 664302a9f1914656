// This node's own object, followed.
#pragma once

#include <functional>
#include <memory>

#include "api/client/informer.h"
#include "api/node.h"

namespace keelson::kubelet::node {

// Home: loop.
class NodeWatch {
 public:
  // The object as it is known now; null: there is none.
  using Listener = std::function<void(std::shared_ptr<const api::Node>)>;
  virtual ~NodeWatch() = default;
  virtual void start(Listener listener) = 0;
  virtual void stop() = 0;
};

// The real one: an informer on metadata.name=<name>. Decodes on `lane`.
std::unique_ptr<NodeWatch> makeNodeWatch(Loop& loop, Lane& lane, api::client::ApiClient& client,
                                         const std::string& name);

}  // namespace keelson::kubelet::node
