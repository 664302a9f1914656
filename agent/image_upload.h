// An image archive that comes as the body of a request.
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "kubelet/server/http.h"
#include "runtime/images/image_service.h"

namespace keelson::agent {

// A sink whose pieces flow through a pipe into ImageService::importArchive on `lane`. Home: loop. A client
// that leaves, or a cancelled `stop`, ends the pipe early, and with it the import, which then keeps nothing.
Result<std::unique_ptr<kubelet::server::ByteSink>> makeImageUpload(Loop& loop, Lane& lane,
                                                                   runtime::ImageService& images,
                                                                   const Stop& stop, const std::string& name);

// The reply's JSON: a List of what was imported.
json::value encodeImported(const std::vector<std::shared_ptr<const runtime::Image>>& images);

}  // namespace keelson::agent
