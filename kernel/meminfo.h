// /proc/meminfo and the number of processes of the machine.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace keelson::kernel {

// The lines of proc_meminfo(5) that are asked for. A plain value.
struct Meminfo {
  Bytes total;
  Bytes free;
  Bytes available;      // what new work could get without swapping, as the kernel estimates it
  Bytes inactive_file;  // page cache that goes first
  Bytes swap_total;
  Bytes swap_free;
};

// kDataLoss without MemTotal or MemFree; other lines may be missing and are 0. Pure.
Result<Meminfo> parseMeminfo(std::string_view text);
Result<Meminfo> readMeminfo();

// How many processes and threads there may be, and are.
struct TaskCount {
  uint64_t max = 0;      // the smaller of kernel.pid_max and kernel.threads-max
  uint64_t running = 0;  // all tasks that exist: the number after the slash in proc_loadavg(5)
};

// From /proc/loadavg's text. kDataLoss if it is not of that form. Pure.
Result<uint64_t> parseTasks(std::string_view loadavg);
Result<TaskCount> readTaskCount();

}  // namespace keelson::kernel
