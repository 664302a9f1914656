// What the shim and its log writer say to each other.
#pragma once

#include <cstdint>
#include <string>

namespace keelson::runtime::shim {

// Over a SOCK_SEQPACKET pair, fields of runtime/wire.h. Both ends are one build: the writer is a fork.
enum class LogVerb : uint8_t {
  kAdd = 1,    // descriptors: log directory, standard output or the pty's master, [standard error]
  kDrain = 2,  // the container has ended: read to the end, then answer with LogDrained
};

struct LogCommand {
  LogVerb verb = LogVerb::kAdd;
  uint64_t slot = 0;     // one container instance
  std::string log_name;  // kAdd, "0.log"
  bool tty = false;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, verb), codec(2, slot), codec(3, log_name), codec(4, tty);
  }
};

struct LogDrained {
  uint64_t slot = 0;
  uint64_t dropped_lines = 0;
  template <class Codec>
  void fields(Codec& codec) {
    codec(1, slot), codec(2, dropped_lines);
  }
};

}  // namespace keelson::runtime::shim
