#include "kubelet/server/unix_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/fs.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::server {
namespace {

// Counts what it gets; refuses the word "bad".
class CountingSink : public ByteSink {
 public:
  void write(std::string piece, std::function<void(Result<void>)> done) override {
    if (piece.find("bad") != std::string::npos) return done(makeError(Code::kInvalidArgument, "a bad piece"));
    size_ += piece.size();
    done({});
  }
  void finish(std::function<void(Reply)> done) override { done(Reply::ofText(std::to_string(size_))); }

 private:
  size_t size_ = 0;
};

class ThreePieces : public ByteSource {
 public:
  void next(std::function<void(Result<std::string>)> done) override {
    done(left_-- > 0 ? std::string("piece ") : std::string());
  }

 private:
  int left_ = 3;
};

class UnixServerTest : public ::testing::Test {
 protected:
  UnixServerTest() {
    std::vector<Route> routes{
        {"GET", "/hello",
         [](Call call, Respond respond) { respond(Reply::ofText("hello " + call.queryValue("name"))); },
         nullptr},
        {"POST", "/echo", [](Call call, Respond respond) { respond(Reply::ofText(call.body)); }, nullptr},
        {"GET", "/stream",
         [](Call, Respond respond) { respond(std::unique_ptr<ByteSource>(std::make_unique<ThreePieces>())); },
         nullptr},
        {"POST", "/count", nullptr, [](const Call&) -> Result<std::unique_ptr<ByteSink>> {
           return std::unique_ptr<ByteSink>(std::make_unique<CountingSink>());
         }}};
    ServerLimits limits;
    limits.body_bytes = 100;
    server_ = UnixServer::listen(loop_, path_, std::move(routes), limits).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~UnixServerTest() override {
    loop_.post([this] {
      server_.reset();
      loop_.stop();
    });
    thread_.join();
  }

  // Sends raw bytes, returns everything until the server closes.
  std::string talk(const std::string& request) const {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval limit{20, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_TRUE(writeAll(socket.get(), request));
    ::shutdown(socket.get(), SHUT_WR);
    return readFd(socket.get(), 1 << 20).valueOr("");
  }

  TempDir directory_;
  std::string path_ = directory_.path() + "/s.sock";
  Loop loop_;
  std::unique_ptr<UnixServer> server_;
  std::thread thread_;
};

TEST_F(UnixServerTest, AnswersSeveralRequestsOnOneConnection) {
  const std::string answer = talk(
      "GET /hello?name=a HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=b HTTP/1.1\r\nHost: x\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_NE(answer.find("hello a"), std::string::npos);
  EXPECT_NE(answer.find("hello b"), std::string::npos);
}

TEST_F(UnixServerTest, TakesBodiesUpToItsLimit) {
  EXPECT_NE(talk("POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nping").find("ping"),
            std::string::npos);
  const std::string large =
      talk("POST /echo HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'));
  EXPECT_NE(large.find("HTTP/1.1 400"), std::string::npos);
  EXPECT_NE(large.find("more than 100 bytes"), std::string::npos);
}

TEST_F(UnixServerTest, StreamsBothWays) {
  EXPECT_NE(talk("GET /stream HTTP/1.1\r\n\r\n").find("0\r\n\r\n"), std::string::npos);
  const std::string body(300'000, 'y');
  EXPECT_NE(talk("POST /count HTTP/1.1\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n" + body)
                .find("\r\n\r\n300000"),
            std::string::npos);
  EXPECT_NE(talk("POST /count HTTP/1.1\r\nContent-Length: 3\r\n\r\nbad").find("a bad piece"),
            std::string::npos);
}

TEST_F(UnixServerTest, RefusesWhatIsNotHttp) {
  EXPECT_EQ(talk("\x16\x03\x01 nonsense\r\n\r\n"), "");
  EXPECT_EQ(talk("GET /hello HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"), "");
  EXPECT_NE(talk("GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n").find("HTTP/1.1 404"),
            std::string::npos);
  EXPECT_NE(talk("DELETE /hello HTTP/1.1\r\nConnection: close\r\n\r\n").find("HTTP/1.1 405"),
            std::string::npos);
}

TEST_F(UnixServerTest, OwnsItsSocketFile) {
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto second = UnixServer::listen(loop_, path_, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
}

}  // namespace
}  // namespace keelson::kubelet::server
