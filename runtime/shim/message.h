// Messages of shim_protocol.h on a SOCK_SEQPACKET socket, without ever waiting.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/shim_protocol.h"

namespace keelson::runtime::shim {

struct RawMessage {
  std::string bytes;
  std::vector<UniqueFd> descriptors;
};

// nullopt: nothing is there now. kUnavailable: the peer has closed. kDataLoss: beyond the limits.
Result<std::optional<RawMessage>> receiveRaw(int socket);
// kUnavailable when the peer has closed or does not take the message now.
Result<void> sendRaw(int socket, std::string_view bytes, std::span<const int> descriptors);

struct Message {
  MessageKind kind = MessageKind::kOk;
  uint32_t serial = 0;
  std::string body;                   // also when it came in a memfd
  std::vector<UniqueFd> descriptors;  // without that memfd
};

// Takes the header off and the body out of its memfd. kDataLoss.
Result<Message> unpackMessage(RawMessage raw);
// A body that does not fit beside the header goes into a memfd; `memfd_always` for answers that may grow.
Result<void> sendMessage(int socket, MessageKind kind, uint32_t serial, std::string_view body,
                         std::span<const int> descriptors, bool memfd_always);

}  // namespace keelson::runtime::shim
