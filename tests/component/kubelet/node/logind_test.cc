#include "kubelet/node/logind.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/component/kubelet/node/node_world.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::node {
namespace {

using std::chrono::seconds;

// A system bus with logind and systemd behind it, spoken by sd-bus over a socket of its own, on a thread of
// its own. Serves one connection.
class SmallBus {
 public:
  explicit SmallBus(const std::string& path) {
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~SmallBus() {
    stop_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::atomic<int> send_signal{-1};  // 0 or 1: PrepareForShutdown with that
  std::atomic<bool> hang_up{false};
  std::atomic<int> kills{0};
  std::atomic<bool> refuses{false};  // Inhibit

 private:
  static int onMessage(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* self = static_cast<SmallBus*>(data);
    const auto is = [&](const char* member) {
      return sd_bus_message_is_method_call(message, nullptr, member) > 0;
    };
    if (is("Hello")) return sd_bus_reply_method_return(message, "s", ":1.1");
    if (is("AddMatch")) return sd_bus_reply_method_return(message, "");
    if (is("Get")) return sd_bus_reply_method_return(message, "v", "t", uint64_t{5'000'000});
    if (is("Inhibit")) {
      if (self->refuses) return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED, "no");
      const UniqueFd lock(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      return sd_bus_reply_method_return(message, "h", lock.get());
    }
    if (is("KillUnit")) {
      ++self->kills;
      return sd_bus_reply_method_return(message, "");
    }
    return 0;
  }
  void serve() {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    sd_bus* bus = nullptr;
    sd_id128_t id{};
    id.bytes[0] = 1;
    ASSERT_GE(sd_bus_new(&bus), 0);
    ASSERT_GE(sd_bus_set_fd(bus, fd, fd), 0);
    ASSERT_GE(sd_bus_set_server(bus, 1, id), 0);
    ASSERT_GE(sd_bus_set_anonymous(bus, 1), 0);
    ASSERT_GE(sd_bus_negotiate_fds(bus, 1), 0);
    ASSERT_GE(sd_bus_start(bus), 0);
    ASSERT_GE(sd_bus_add_filter(bus, nullptr, &SmallBus::onMessage, this), 0);
    while (!stop_ && !hang_up) {
      const int got = sd_bus_process(bus, nullptr);
      if (got < 0) break;
      if (const int begins = send_signal.exchange(-1); begins >= 0) signal(bus, begins);
      if (got == 0) sd_bus_wait(bus, 10'000);
    }
    sd_bus_close_unref(bus);
  }
  static void signal(sd_bus* bus, int begins) {
    sd_bus_message* message = nullptr;
    ASSERT_GE(sd_bus_message_new_signal(bus, &message, "/org/freedesktop/login1",
                                        "org.freedesktop.login1.Manager", "PrepareForShutdown"),
              0);
    sd_bus_message_set_sender(message, "org.freedesktop.login1");
    ASSERT_GE(sd_bus_message_append(message, "b", begins), 0);
    sd_bus_send(bus, message, nullptr);
    sd_bus_message_unref(message);
  }

  UniqueFd listener_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
};

struct LogindTest : NodeWorld {
  TempDir temp;
  std::unique_ptr<SmallBus> bus;
  std::unique_ptr<Logind> logind;

  LogindTest() { ::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + (temp / "bus")).c_str(), 1); }
  ~LogindTest() override {
    logind.reset();
    bus.reset();
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  }
  void connect() {
    bus = std::make_unique<SmallBus>(temp / "bus");
    auto made = connectLogind(loop, temp / "conf.d/99-kubelet.conf");
    ASSERT_TRUE(made) << made.error().text;
    logind = std::move(made).value();
  }
};

TEST_F(LogindTest, IsUnavailableWithoutABus) {
  const auto made = connectLogind(loop, temp / "x");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnavailable);
}

TEST_F(LogindTest, TellsItsDelayAndGivesALock) {
  connect();
  std::optional<Duration> delay;
  UniqueFd lock;
  logind->currentInhibitDelay([&](Result<Duration> got) {
    ASSERT_TRUE(got) << got.error().text;
    delay = *got;
  });
  logind->acquireLock([&](Result<UniqueFd> got) {
    ASSERT_TRUE(got) << got.error().text;
    lock = std::move(got).value();
  });
  ASSERT_TRUE(runUntil([&] { return delay && lock.valid(); }));
  EXPECT_EQ(*delay, seconds(5));
}

TEST_F(LogindTest, SaysWhyThereIsNoLock) {
  connect();
  bus->refuses = true;
  std::string error;
  logind->acquireLock([&](Result<UniqueFd> got) { error = got ? "" : got.error().text; });
  ASSERT_TRUE(runUntil([&] { return !error.empty(); }));
  EXPECT_NE(error.find("Inhibit"), std::string::npos) << error;
  EXPECT_NE(error.find("AccessDenied"), std::string::npos) << error;
}

TEST_F(LogindTest, OverridesTheDelayByADropIn) {
  connect();
  bool done = false;
  logind->overrideInhibitDelay(seconds(30), [&](Result<void> got) {
    EXPECT_TRUE(got) << got.error().text;
    done = true;
  });
  ASSERT_TRUE(runUntil([&] { return done; }));
  EXPECT_EQ(bus->kills, 1);
  std::stringstream text;
  text << std::ifstream(temp / "conf.d/99-kubelet.conf").rdbuf();
  EXPECT_EQ(text.str(), renderInhibitDropIn(seconds(30)));
}

TEST_F(LogindTest, HearsOfAShutdownAndOfItsEnd) {
  connect();
  std::vector<bool> heard;
  logind->watch([&](bool begins) { heard.push_back(begins); }, [](Error) {});
  bool is_up = false;  // the match is asked for before this call, so it stands when this is answered
  logind->currentInhibitDelay([&](Result<Duration>) { is_up = true; });
  ASSERT_TRUE(runUntil([&] { return is_up; }));
  bus->send_signal = 1;
  ASSERT_TRUE(runUntil([&] { return heard.size() == 1; }));
  bus->send_signal = 0;
  ASSERT_TRUE(runUntil([&] { return heard.size() == 2; }));
  EXPECT_TRUE(heard[0]);
  EXPECT_FALSE(heard[1]);
}

TEST_F(LogindTest, TellsThatTheBusIsGone) {
  connect();
  bool lost = false;
  logind->watch([](bool) {}, [&](Error) { lost = true; });
  settle();
  bus->hang_up = true;
  EXPECT_TRUE(runUntil([&] { return lost; }));
}

TEST_F(LogindTest, NothingComesAfterItsEnd) {
  connect();
  logind->currentInhibitDelay([](Result<Duration>) { ADD_FAILURE(); });
  logind.reset();
  settle();
}

}  // namespace
}  // namespace keelson::kubelet::node
