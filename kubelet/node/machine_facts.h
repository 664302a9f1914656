// What this machine is, read from the files in which the kernel and the distribution tell it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace keelson::kubelet::node {

// A plain value; any thread.
struct MachineFacts {
  std::string machine_id, system_uuid, boot_id;
  std::string kernel_version;  // uname -r
  std::string os_image;        // PRETTY_NAME of os-release(5)
  std::string architecture;    // as Go names it: "amd64"
  int64_t cpus = 0;
  Bytes memory;                        // MemTotal
  std::optional<Bytes> swap;           // absent: no swap
  std::map<int64_t, Bytes> hugepages;  // page size in bytes -> what is reserved for it
  Bytes root_filesystem;               // size of the file system that holds the kubelet's root folder
  int64_t pids = 0;                    // kernel.pid_max or kernel.threads-max, whichever is less
};

// Reads /proc, /sys, /etc below `host` ("" is this machine). What only some machines have (DMI, huge pages,
// machine-id) may be absent; memory, boot id and the root folder's file system may not. Blocks a little.
Result<MachineFacts> readMachineFacts(const std::string& root_dir, const std::string& host = "");

// The Go name of uname(2)'s machine: "x86_64" is "amd64"; unknown ones stay.
std::string goArchitecture(const std::string& machine);
// PRETTY_NAME of an os-release(5) text, unquoted; "" if it has none.
std::string prettyName(const std::string& os_release);

}  // namespace keelson::kubelet::node
