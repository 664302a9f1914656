// Pure parts of the shim: sysctl names, exit records, device rules, messages.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "runtime/shim/containers.h"
#include "runtime/shim/device_rules.h"
#include "runtime/shim/message.h"
#include "runtime/shim/sysctl.h"
#include "runtime/wire.h"

namespace keelson::runtime::shim {
namespace {

TEST(SysctlFile, IsBelowProc) {
  EXPECT_EQ(sysctlFile("net.ipv4.ip_forward", {}).value(), "sys/net/ipv4/ip_forward");
  EXPECT_EQ(sysctlFile("net/ipv4/ip_forward", {}).value(), "sys/net/ipv4/ip_forward");
  EXPECT_EQ(sysctlFile("net.ipv4.conf.eth0/1.rp_filter", {}).value(), "sys/net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(sysctlFile("net/ipv4/conf/eth0.1/rp_filter", {}).value(), "sys/net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(sysctlFile("kernel.shm_rmid_forced", {}).value(), "sys/kernel/shm_rmid_forced");
  EXPECT_EQ(sysctlFile("kernel.sem", {}).value(), "sys/kernel/sem");
  EXPECT_EQ(sysctlFile("fs.mqueue.msg_max", {}).value(), "sys/fs/mqueue/msg_max");
}

TEST(SysctlFile, NeverReachesTheHost) {
  for (const char* name :
       {"vm.swappiness", "kernel.core_pattern", "kernel.semantics", "fs.file-max", "", ".", "net", "net.",
        "net..ipv4", "net/../kernel/core_pattern", "/net/ipv4/x", "kernel.hostname"})
    EXPECT_FALSE(sysctlFile(name, {}).ok()) << name;
  EXPECT_FALSE(sysctlFile("net.ipv4.ip_forward", {.host_network = true}).ok());
  EXPECT_FALSE(sysctlFile("kernel.msgmax", {.host_ipc = true}).ok());
  EXPECT_TRUE(sysctlFile("kernel.msgmax", {.host_network = true}).ok());
}

TEST(ExitRecord, HasCodeOrSignal) {
  ContainerRecord record;
  setExit(record, 3 << 8);
  EXPECT_EQ(record.exit_code, 3);
  EXPECT_EQ(record.signal, 0);
  setExit(record, 9);
  EXPECT_EQ(record.exit_code, 137);
  EXPECT_EQ(record.signal, 9);
  record = {};
  setExit(record, 11 | 0x80);  // with a core dump
  EXPECT_EQ(record.exit_code, 139);
}

TEST(DeviceRules, AllowTheContainersOwnAndThePlannedDevices) {
  ContainerPlan plan;
  plan.devices = {{.path = "/dev/fuse", .major = 10, .minor = 229},
                  {.path = "/dev/sda", .block = true, .major = 8}};
  std::string text;
  for (const DeviceRule& rule : buildDeviceRules(plan)) text += renderDeviceRule(rule) + "\n";
  EXPECT_EQ(text,
            "c *:* m\nb *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\nc 5:0 rwm\nc 5:1 "
            "rwm\nc 5:2 rwm\n"
            "c 136:* rwm\nc 10:229 rwm\nb 8:0 rwm\n");
}

// The kernel's part of the machine, as far as the program uses it.
uint32_t runDeviceProgram(const std::vector<bpf_insn>& program, uint32_t access, bool block, uint32_t major,
                          uint32_t minor) {
  const uint32_t context[] = {access << 16 | (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major,
                              minor};
  uint64_t reg[11] = {};
  for (size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& in = program[at];
    uint64_t& to = reg[in.dst_reg];
    const auto immediate = static_cast<uint32_t>(in.imm);
    switch (in.code) {
      case BPF_LDX | BPF_W | BPF_MEM:
        to = context[in.off / 4];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        to = immediate;
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        to = static_cast<uint32_t>(reg[in.src_reg]);
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        to = static_cast<uint32_t>(to) >> immediate;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        to = static_cast<uint32_t>(to) & immediate;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        at += static_cast<uint32_t>(to) != immediate ? static_cast<size_t>(in.off) : 0;
        break;
      case BPF_JMP | BPF_EXIT:
        return static_cast<uint32_t>(reg[0]);
      default:
        ADD_FAILURE() << "instruction " << int{in.code};
        return 0;
    }
  }
  ADD_FAILURE() << "ran over the end";
  return 0;
}

TEST(DeviceRules, TheProgramSaysTheSame) {
  ContainerPlan plan;
  plan.devices = {{.path = "/dev/sda", .block = true, .major = 8, .minor = 1}};
  const auto program = buildDeviceProgram(buildDeviceRules(plan));
  constexpr uint32_t kRead = BPF_DEVCG_ACC_READ, kWrite = BPF_DEVCG_ACC_WRITE, kMknod = BPF_DEVCG_ACC_MKNOD;
  EXPECT_EQ(runDeviceProgram(program, kRead | kWrite, false, 1, 3), 1u);
  EXPECT_EQ(runDeviceProgram(program, kRead, false, 1, 11), 0u) << "kmsg";
  EXPECT_EQ(runDeviceProgram(program, kMknod, true, 8, 0), 1u);
  EXPECT_EQ(runDeviceProgram(program, kRead, true, 8, 0), 0u);
  EXPECT_EQ(runDeviceProgram(program, kRead | kMknod, true, 8, 0), 0u)
      << "every wanted access must be allowed";
  EXPECT_EQ(runDeviceProgram(program, kRead | kWrite | kMknod, true, 8, 1), 1u);
  EXPECT_EQ(runDeviceProgram(program, kWrite, false, 136, 77), 1u);
  EXPECT_EQ(runDeviceProgram(program, kRead, true, 1, 3), 0u) << "a block device of that number";
}

class Messages : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    a_ = UniqueFd(ends[0]), b_ = UniqueFd(ends[1]);
  }
  Message roundTrip() {
    auto raw = receiveRaw(b_.get());
    EXPECT_TRUE(raw.ok() && *raw);
    auto message = unpackMessage(std::move(**raw));
    EXPECT_TRUE(message.ok()) << message.error().text;
    return std::move(message).value();
  }
  UniqueFd a_, b_;
};

TEST_F(Messages, CarryABodyAndDescriptors) {
  const int descriptors[] = {a_.get(), b_.get()};
  ASSERT_TRUE(sendMessage(a_.get(), MessageKind::kStarted, 7, "body", descriptors, false).ok());
  const Message got = roundTrip();
  EXPECT_EQ(got.kind, MessageKind::kStarted);
  EXPECT_EQ(got.serial, 7u);
  EXPECT_EQ(got.body, "body");
  EXPECT_EQ(got.descriptors.size(), 2u);
  EXPECT_EQ(fcntl(got.descriptors[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(Messages, PutALargeBodyIntoAMemfd) {
  const std::string large(200'000, 'x');
  ASSERT_TRUE(sendMessage(a_.get(), MessageKind::kOk, 1, large, {}, false).ok());
  EXPECT_EQ(roundTrip().body, large);
  ASSERT_TRUE(sendMessage(a_.get(), MessageKind::kState, 1, "small", {}, true).ok());
  EXPECT_EQ(roundTrip().body, "small");
}

TEST_F(Messages, ThatAreNotThereYetAreNoError) {
  auto raw = receiveRaw(b_.get());
  ASSERT_TRUE(raw.ok());
  EXPECT_FALSE(raw->has_value());
  a_.reset();
  EXPECT_EQ(receiveRaw(b_.get()).error().code, Code::kUnavailable);
}

TEST_F(Messages, WithLiesAreRefused) {
  EXPECT_FALSE(unpackMessage({"short", {}}).ok());
  MessageHeader header;
  header.flags = kBodyInMemfd;
  const std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  EXPECT_FALSE(unpackMessage({bytes, {}}).ok()) << "no memfd";
  RawMessage pipe{bytes, {}};
  pipe.descriptors.emplace_back(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(unpackMessage(std::move(pipe)).ok()) << "not a memfd: reading it would not end";
}

TEST_F(Messages, AnAnswerThatNobodyTakesDoesNotBlock) {
  const std::string body(60'000, 'x');
  int sent = 0;
  while (sent < 1000 && sendMessage(a_.get(), MessageKind::kOk, 1, body, {}, false).ok()) ++sent;
  EXPECT_LT(sent, 1000);
}

}  // namespace
}  // namespace keelson::runtime::shim
