#include "runtime/shim_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "kernel/pidfd.h"
#include "runtime/packet.h"
#include "runtime/wire.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::runtime {
namespace {

using ::testing::HasSubstr;

// What a shim says to one request; nullopt closes the connection.
struct Reply {
  std::string bytes;
  std::vector<int> descriptors;
};
using Script = std::function<std::optional<Reply>(const MessageHeader&, const Packet&)>;

Reply replyTo(const MessageHeader& request, MessageKind kind, const std::string& body = "",
              std::vector<int> descriptors = {}, uint32_t flags = 0) {
  MessageHeader header;
  header.kind = static_cast<uint32_t>(kind);
  header.serial = request.serial;
  header.flags = flags;
  return {std::string(reinterpret_cast<const char*>(&header), sizeof header) + body, std::move(descriptors)};
}

// A run folder with a listener that plays a shim: this test's own process stands for it.
class PlayedShim {
 public:
  explicit PlayedShim(Script script) : script_(std::move(script)), folder_(DirFd::open(dir_.path()).value()) {
    const auto identity = kernel::identify(::getpid()).value();
    writePid(fmt::format("{} {} boot-1\n", identity.pid, identity.start_ticks));
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (dir_ / "shim.sock").c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~PlayedShim() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  void writePid(const std::string& text) { EXPECT_TRUE(folder_.writeFileAtomic("shim.pid", text)); }
  Result<ShimClient> connect() {
    Stop stop{std::chrono::seconds(5)};
    return ShimClient::connect(folder_, stop);
  }
  const DirFd& folder() const { return folder_; }

 private:
  void serve() {
    for (;;) {
      UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      for (;;) {
        Stop stop{std::chrono::seconds(10)};
        auto packet = receivePacket(connection.get(), stop);
        if (!packet || packet->bytes.size() < sizeof(MessageHeader)) break;
        MessageHeader header;
        std::memcpy(&header, packet->bytes.data(), sizeof header);
        packet->bytes.erase(0, sizeof header);
        const auto reply = script_(header, *packet);
        if (!reply) break;
        if (!sendPacket(connection.get(), reply->bytes, reply->descriptors, stop)) break;
      }
    }
  }

  TempDir dir_;
  Script script_;
  DirFd folder_;
  UniqueFd listener_;
  std::thread thread_;
};

Reply helloReply(const MessageHeader& header, uint32_t major = kProtocolMajor) {
  Hello hello;
  hello.major = major;
  return replyTo(header, MessageKind::kHello, encodeWire(hello), {STDERR_FILENO});
}

// Greets properly, then does what `script` says.
Script afterHello(Script script) {
  return [script = std::move(script)](const MessageHeader& header,
                                      const Packet& packet) -> std::optional<Reply> {
    if (header.kind == static_cast<uint32_t>(MessageKind::kHello)) return helloReply(header);
    return script(header, packet);
  };
}

Stop soon() { return Stop{std::chrono::seconds(5)}; }

TEST(ShimClient, GreetsAndReadsTheStateOutOfAMemfd) {
  PlayedShim shim(afterHello([](const MessageHeader& header, const Packet&) -> std::optional<Reply> {
    State state;
    state.shim_pid = 77;
    state.containers.resize(1000);
    static UniqueFd memfd;
    memfd = sealedMemfd("state", encodeWire(state)).value();
    return replyTo(header, MessageKind::kState, "", {memfd.get()}, kBodyInMemfd);
  }));
  auto client = shim.connect();
  ASSERT_TRUE(client) << client.error().text;
  EXPECT_GE(client->netns(), 0);
  EXPECT_FALSE(client->hasEnded());
  Stop stop = soon();
  const auto state = client->getState(stop);
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->shim_pid, 77);
  EXPECT_EQ(state->containers.size(), 1000u);
}

TEST(ShimClient, AnotherMajorVersionIsUnsupported) {
  PlayedShim shim([](const MessageHeader& header, const Packet&) { return helloReply(header, 2); });
  const auto client = shim.connect();
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::kUnsupported);
}

TEST(ShimClient, AnErrorIsTheSameErrorOnThisSide) {
  PlayedShim shim(afterHello([](const MessageHeader& header, const Packet&) -> std::optional<Reply> {
    return replyTo(header, MessageKind::kFailed, encodeWire(toWireError(errnoError(ENOENT, "exec /bin/x"))));
  }));
  auto client = shim.connect();
  Stop stop = soon();
  const auto started = client->startContainer({}, {}, stop);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kNotFound);
  EXPECT_EQ(started.error().sys, ENOENT);
  EXPECT_EQ(started.error().text, errnoError(ENOENT, "exec /bin/x").text);
  EXPECT_FALSE(client->broken()) << "a failed request does not break the connection";
}

TEST(ShimClient, LargeRequestsGoThroughAMemfd) {
  std::string seen;
  PlayedShim shim(afterHello([&](const MessageHeader& header, const Packet& packet) -> std::optional<Reply> {
    EXPECT_EQ(header.flags, kBodyInMemfd);
    EXPECT_TRUE(packet.bytes.empty());
    EXPECT_EQ(packet.descriptors.size(), 2u);
    const auto request = decodeWire<StartContainer>(readFd(packet.descriptors[0].get(), 1 << 20).value());
    seen = request->plan.process.args.at(0);
    Started started;
    started.record.pid = 5;
    return replyTo(header, MessageKind::kStarted, encodeWire(started));
  }));
  auto client = shim.connect();
  StartContainer request;
  request.plan.process.args = {std::string(100'000, 'x')};
  Stop stop = soon();
  const auto started = client->startContainer(request, {STDERR_FILENO}, stop);
  ASSERT_TRUE(started) << started.error().text;
  EXPECT_EQ(started->pid, 5);
  EXPECT_EQ(seen.size(), 100'000u);
}

TEST(ShimClient, ManyDescriptorsGoInBatchesWithConsecutiveTokens) {
  std::vector<std::pair<uint32_t, size_t>> batches;
  PlayedShim shim(afterHello([&](const MessageHeader& header, const Packet& packet) -> std::optional<Reply> {
    batches.emplace_back(decodeWire<PutDescriptors>(packet.bytes)->first_token, packet.descriptors.size());
    return replyTo(header, MessageKind::kOk);
  }));
  auto client = shim.connect();
  Stop stop = soon();
  const auto first = client->putDescriptors(std::vector<int>(70, STDERR_FILENO), stop);
  ASSERT_TRUE(first) << first.error().text;
  const std::vector<std::pair<uint32_t, size_t>> want = {{*first, 32}, {*first + 32, 32}, {*first + 64, 6}};
  EXPECT_EQ(batches, want);
}

TEST(ShimClient, HostileAnswersBreakTheConnectionAndNothingElse) {
  const UniqueFd unsealed(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const struct {
    const char* what;
    std::function<std::optional<Reply>(const MessageHeader&)> reply;
  } cases[] = {
      {"closes", [](const MessageHeader&) { return std::nullopt; }},
      {"short",
       [](const MessageHeader&) {
         return Reply{"abc", {}};
       }},
      {"old serial",
       [](const MessageHeader& header) {
         MessageHeader other = header;
         other.serial -= 1;
         return replyTo(other, MessageKind::kOk);
       }},
      {"other kind", [](const MessageHeader& header) { return replyTo(header, MessageKind::kState); }},
      {"stray descriptor",
       [](const MessageHeader& header) { return replyTo(header, MessageKind::kOk, "", {2}); }},
      {"no memfd",
       [](const MessageHeader& header) { return replyTo(header, MessageKind::kOk, "", {}, kBodyInMemfd); }},
      {"a pipe as memfd",
       [](const MessageHeader& header) { return replyTo(header, MessageKind::kOk, "", {0}, kBodyInMemfd); }},
      {"an unsealed memfd",
       [&](const MessageHeader& header) {
         return replyTo(header, MessageKind::kOk, "", {unsealed.get()}, kBodyInMemfd);
       }},
      {"malformed error",
       [](const MessageHeader& header) { return replyTo(header, MessageKind::kFailed, "xx"); }},
  };
  for (const auto& c : cases) {
    PlayedShim shim(afterHello([&](const MessageHeader& header, const Packet&) { return c.reply(header); }));
    auto client = shim.connect();
    ASSERT_TRUE(client) << c.what;
    Stop stop = soon();
    EXPECT_FALSE(client->stopContainer({}, stop)) << c.what;
    EXPECT_TRUE(client->broken()) << c.what;
    EXPECT_EQ(client->stopContainer({}, stop).error().code, Code::kUnavailable) << c.what;
    EXPECT_TRUE(shim.connect()) << c.what << ": a new connection works";
  }
}

TEST(ShimClient, ALateAnswerIsADeadlineAndBreaksTheConnection) {
  PlayedShim shim(afterHello([](const MessageHeader& header, const Packet&) -> std::optional<Reply> {
    return replyTo(header, MessageKind::kHello);  // never sent in time: see the expired stop below
  }));
  auto client = shim.connect();
  Stop expired{std::chrono::milliseconds(0)};
  const auto stopped = client->stopContainer({}, expired);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kDeadlineExceeded);
  EXPECT_FALSE(client->broken()) << "nothing was sent";
}

TEST(ShimClient, ADeadShimIsNotFound) {
  PlayedShim shim(afterHello([](const MessageHeader& header, const Packet&) -> std::optional<Reply> {
    return replyTo(header, MessageKind::kOk);
  }));
  const auto identity = kernel::identify(::getpid()).value();
  const std::string cases[] = {
      fmt::format("{} {} boot\n", identity.pid, identity.start_ticks + 1),  // the number was reborn
      "4194304 1 boot\n",                                                   // beyond pid_max
  };
  for (const auto& text : cases) {
    shim.writePid(text);
    const auto client = shim.connect();
    ASSERT_FALSE(client) << text;
    EXPECT_EQ(client.error().code, Code::kNotFound) << text << client.error().text;
  }
}

TEST(ReadShimIdentity, TakesItsOneLineAndNothingElse) {
  PlayedShim shim(afterHello([](const MessageHeader& header, const Packet&) -> std::optional<Reply> {
    return replyTo(header, MessageKind::kOk);
  }));
  shim.writePid("12 345 boot-id\n");
  const auto identity = readShimIdentity(shim.folder());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->process.pid, 12);
  EXPECT_EQ(identity->process.start_ticks, 345u);
  EXPECT_EQ(identity->boot_id, "boot-id");
  for (const char* text :
       {"", "\n", "12", "12 345", "12 345 boot", "x 345 boot\n", "-1 2 boot\n", "0 2 boot\n", "1  boot\n"}) {
    shim.writePid(text);
    EXPECT_EQ(readShimIdentity(shim.folder()).error().code, Code::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace keelson::runtime
