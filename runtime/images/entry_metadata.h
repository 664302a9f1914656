// Owner, mode, attributes and times of a tar entry, put on the file made for it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include "base/result.h"
#include "runtime/images/tar_reader.h"

namespace keelson::runtime::images {

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

// kDataLoss: no such id can exist.
Result<Owner> ownerOf(const TarEntry& entry);

// True for the extended attributes that an image may bring along.
bool isKeptXattr(const std::string& name);

// Owner, kept attributes, mode (with setuid and setgid), in the order in which they do not undo each other.
Result<void> describe(int fd, const TarEntry& entry);

// Modification and access time: the latter has no other meaningful value.
Result<void> setTimes(int fd, const timespec& mtime);

}  // namespace keelson::runtime::images
