// One layer: from its stream of bytes to a directory tree.
#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "base/fs.h"
#include "base/result.h"
#include "runtime/images/byte_source.h"
#include "runtime/images/layer_writer.h"

namespace keelson::runtime::images {

struct UnpackedLayer {
  std::string diff_id;  // digest of the tar inside
  int64_t tar_bytes = 0;
  std::vector<std::string> implicit_dirs;
};

// Reads `blob` to its end (gzip, zstd or plain tar) and writes its tree below `root`, which is empty.
// Works while the bytes arrive; the caller compares the digests (the blob's own is computed by who feeds it)
// and throws the tree away when they differ. kDataLoss, kInvalidArgument: the layer is wrong;
// kResourceExhausted: a limit or the disk.
Result<UnpackedLayer> unpackLayer(ByteSource& blob, const DirFd& root, const UnpackLimits& limits,
                                  Stop& stop);

}  // namespace keelson::runtime::images
