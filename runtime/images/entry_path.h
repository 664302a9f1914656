// What the name of a layer's tar entry means. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::runtime::images {

enum class EntryMeaning {
  kRoot,      // the layer's root directory itself
  kPlain,     // something to create at parent/name
  kWhiteout,  // ".wh.NAME": parent/name of the layers below is gone
  kOpaque,    // ".wh..wh..opq": all of `parent` in the layers below is gone
  kIgnored,   // other ".wh..wh." names: bookkeeping of aufs
};

// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
struct EntryPath {
  EntryMeaning meaning = EntryMeaning::kPlain;
  std::string parent;  // relative to the layer's root, no "." or ".."; empty: the root
  std::string name;    // one component, never ".", ".." or empty for kPlain and kWhiteout
  std::string full() const { return parent.empty() ? name : parent + "/" + name; }
};

// A name made relative to the root without leaving it, as tar and containerd do: a leading slash, "."
// and empty parts are dropped, ".." removes the part before it and stops at the root.
std::string cleanPath(std::string_view path);

// kDataLoss: a whiteout of "", "." or ".."; kInvalidArgument: a name longer than PATH_MAX or a part longer
// than NAME_MAX.
Result<EntryPath> readEntryPath(std::string_view path);

// "a/b/c" -> {"a/b", "c"}. Precondition: cleaned and not empty.
EntryPath splitPath(std::string_view cleaned);

}  // namespace keelson::runtime::images
