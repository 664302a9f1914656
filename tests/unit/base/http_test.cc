// The HTTP client against a small server of the test's own on loopback.
#include "base/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/guarded.h"
#include "base/unique_fd.h"

namespace keelson {
namespace {

using namespace std::chrono_literals;

// Answers each request with the next answer of a list (the last one stays), byte for byte, then closes or
// keeps the connection, or holds it open and silent until the test ends. kGreet answers at once, without a
// request, and closes.
class TestServer {
 public:
  enum class After { kKeep, kClose, kHang, kGreet };
  struct Answer {
    std::string bytes;
    After after = After::kKeep;
  };

  explicit TestServer(std::vector<Answer> answers) : answers_(std::move(answers)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    quit_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TestServer() {
    const uint64_t one = 1;
    EXPECT_EQ(::write(quit_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  // What clients sent, one text a request.
  std::vector<std::string> requests() const { return requests_.copy(); }
  int connections() const { return connections_.copy(); }

 private:
  // False: the test ends.
  bool readable(int fd) const {
    pollfd fds[2] = {{fd, POLLIN, 0}, {quit_.get(), POLLIN, 0}};
    while (::poll(fds, 2, -1) < 0) continue;
    return fds[1].revents == 0;
  }

  void serve() {
    while (readable(listener_.get())) {
      const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      connections_.with([](int& count) { ++count; });
      if (!converse(peer.get())) return;
    }
  }

  bool converse(int peer) {
    if (answers_[0].after == After::kGreet) return sendAll(peer, answers_[0].bytes);
    std::string input;
    while (true) {
      const size_t end = input.find("\r\n\r\n");
      const size_t length = end == std::string::npos ? 0 : bodyLength(input.substr(0, end));
      if (end == std::string::npos || input.size() < end + 4 + length) {
        if (!readable(peer)) return false;
        char buffer[4096];
        const ssize_t got = ::recv(peer, buffer, sizeof buffer, 0);
        if (got <= 0) return true;
        input.append(buffer, static_cast<size_t>(got));
        continue;
      }
      requests_.with([&](auto& list) { list.push_back(input.substr(0, end + 4 + length)); });
      input.erase(0, end + 4 + length);
      const Answer& answer = answers_[std::min(next_++, answers_.size() - 1)];
      sendAll(peer, answer.bytes);
      if (answer.after == After::kClose) return true;
      if (answer.after == After::kHang) {
        pollfd quit = {quit_.get(), POLLIN, 0};
        while (::poll(&quit, 1, -1) < 0) continue;
        return false;
      }
    }
  }

  // A peer that hangs up ends its conversation only.
  static bool sendAll(int peer, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  static size_t bodyLength(const std::string& head) {
    const size_t at = head.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
  }

  std::vector<Answer> answers_;
  size_t next_ = 0;
  UniqueFd listener_;
  UniqueFd quit_;
  int port_ = 0;
  Guarded<std::vector<std::string>> requests_;
  Guarded<int> connections_;
  std::thread thread_;
};

std::string answerOf(std::string_view status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers, body);
}

class Http : public ::testing::Test {
 protected:
  static HttpRequest get(std::string url) {
    HttpRequest request;
    request.url = std::move(url);
    return request;
  }

  std::unique_ptr<HttpClient> client_ = makeHttpClient();
  Stop stop_{10s};
};

TEST_F(Http, SendsHeadersAndGivesStatusHeadersAndBody) {
  TestServer server(
      {{answerOf("200 OK", "hello", "X-One: a\r\nx-one:  b \r\nWWW-Authenticate: Bearer x=\"y\"\r\n")}});
  HttpRequest request = get(server.url("/v2/?n=1"));
  request.headers = {{"Accept", "text/plain"}, {"X-Empty", ""}};
  const HttpResponse response = client_->send(request, stop_).value();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.headers.at("x-one"), "a, b");
  EXPECT_EQ(response.headers.at("www-authenticate"), "Bearer x=\"y\"");
  const std::string sent = server.requests().at(0);
  EXPECT_TRUE(sent.starts_with("GET /v2/?n=1 HTTP/1.1\r\n")) << sent;
  EXPECT_NE(sent.find("\r\nAccept: text/plain\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("\r\nX-Empty:\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("\r\nUser-Agent: keelson/" KEELSON_VERSION "\r\n"), std::string::npos) << sent;
}

TEST_F(Http, HeadHasNoBodyAndPostSendsOne) {
  TestServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"}, {answerOf("201 Created", "ok")}});
  HttpRequest head = get(server.url());
  head.method = "HEAD";
  const HttpResponse first = client_->send(head, stop_).value();
  EXPECT_EQ(first.headers.at("content-length"), "1000");
  EXPECT_EQ(first.body, "");
  HttpRequest post = get(server.url());
  post.method = "POST";
  post.body = std::string("a=b\0c", 5);
  EXPECT_EQ(client_->send(post, stop_).value().status, 201);
  const std::string sent = server.requests().at(1);
  EXPECT_TRUE(sent.ends_with(std::string("\r\n\r\na=b\0c", 9)));
  EXPECT_EQ(sent.find("Expect"), std::string::npos);
}

TEST_F(Http, AnErrorStatusIsAResponse) {
  TestServer server({{answerOf("404 Not Found", "{\"errors\":[]}")}});
  const HttpResponse response = client_->send(get(server.url()), stop_).value();
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "{\"errors\":[]}");
}

TEST_F(Http, DoesNotFollowARedirect) {
  TestServer elsewhere({{answerOf("200 OK", "stolen")}});
  TestServer server({{answerOf("307 Temporary Redirect", "", "Location: " + elsewhere.url() + "\r\n")}});
  HttpRequest request = get(server.url());
  request.headers = {{"Authorization", "Bearer secret"}};
  const HttpResponse response = client_->send(request, stop_).value();
  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(response.headers.at("location"), elsewhere.url());
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST_F(Http, ReusesTheConnectionButNothingOfTheFormerRequest) {
  TestServer server({{answerOf("200 OK", "x")}});
  HttpRequest request = get(server.url());
  request.headers = {{"Authorization", "Bearer secret"}};
  request.method = "POST";
  request.body = "form";
  ASSERT_TRUE(client_->send(request, stop_).ok());
  ASSERT_TRUE(client_->send(get(server.url()), stop_).ok());
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(server.requests().at(1).starts_with("GET "));
  EXPECT_EQ(server.requests().at(1).find("Authorization"), std::string::npos);
}

TEST_F(Http, RefusesABodyOverItsLimit) {
  TestServer server({{answerOf("200 OK", std::string(1001, 'a'))}});
  HttpRequest request = get(server.url("/big?token=secret"));
  request.body_limit = 1001;
  EXPECT_EQ(client_->send(request, stop_).value().body.size(), 1001U);
  request.body_limit = 1000;
  const Result<HttpResponse> refused = client_->send(request, stop_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().text,
            "GET " + server.url("/big") + ": body is larger than the limit of 1000 bytes");
}

TEST_F(Http, RefusesEndlessHeaders) {
  std::string bytes = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 5000; ++i) bytes += fmt::format("X-{}: {}\r\n", i, std::string(80, 'v'));
  TestServer server({{bytes + "\r\n", TestServer::After::kClose}});
  const Result<HttpResponse> refused = client_->send(get(server.url()), stop_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted) << refused.error().text;
}

TEST_F(Http, StreamHandsPiecesOverAndKeepsNone) {
  const std::string body(3'000'000, 'z');
  TestServer server({{answerOf("200 OK", body)}});
  std::string got;
  HttpRequest request = get(server.url());
  request.body_limit = 10;  // does not bound what is streamed
  const auto sink = [&](std::string_view piece) -> Result<void> {
    got += piece;
    return {};
  };
  const HttpResponse response = client_->stream(request, 5s, sink, stop_).value();
  EXPECT_EQ(got, body);
  EXPECT_EQ(response.body, "");
}

TEST_F(Http, StreamEndsWithTheErrorOfItsSink) {
  TestServer server({{answerOf("200 OK", std::string(1'000'000, 'z'))}});
  const auto sink = [](std::string_view) -> Result<void> { return makeError(Code::kDataLoss, "bad layer"); };
  const Result<HttpResponse> result = client_->stream(get(server.url("/blob")), 5s, sink, stop_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kDataLoss);
  EXPECT_EQ(result.error().text, "GET " + server.url("/blob") + ": bad layer");
}

TEST_F(Http, OnlyGoodBodiesReachTheSink) {
  TestServer server({{answerOf("401 Unauthorized", "who are you", "WWW-Authenticate: Basic\r\n")}});
  const auto sink = [](std::string_view) -> Result<void> {
    ADD_FAILURE();
    return {};
  };
  const HttpResponse response = client_->stream(get(server.url()), 5s, sink, stop_).value();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.body, "who are you");
}

TEST_F(Http, AStalledStreamEndsBeforeTheDeadline) {
  TestServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", TestServer::After::kHang}});
  std::string got;
  const auto sink = [&](std::string_view piece) -> Result<void> {
    got += piece;
    return {};
  };
  Stop patient(60s);
  const Result<HttpResponse> result = client_->stream(get(server.url()), 1s, sink, patient);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kDeadlineExceeded);
  EXPECT_NE(result.error().text.find("no data for 1s"), std::string::npos) << result.error().text;
  EXPECT_EQ(got, "some");
}

TEST_F(Http, ASilentServerMeetsTheDeadline) {
  TestServer server({{"", TestServer::After::kHang}});
  Stop brief(50ms);
  const Result<HttpResponse> result = client_->send(get(server.url("/slow")), brief);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(result.error().text, "GET " + server.url("/slow") + ": deadline exceeded");
}

TEST_F(Http, CancelEndsAWaitingRequest) {
  TestServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", TestServer::After::kHang}});
  Stop forever;
  const auto sink = [&](std::string_view) -> Result<void> {
    forever.cancel();
    return {};
  };
  const Result<HttpResponse> result = client_->stream(get(server.url()), 60s, sink, forever);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kCancelled);
}

TEST_F(Http, AConnectionThatBreaksIsUnavailable) {
  TestServer server({{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", TestServer::After::kClose}});
  EXPECT_EQ(client_->send(get(server.url()), stop_).error().code, Code::kUnavailable);
  TestServer garbage({{"not http at all\r\n\r\n", TestServer::After::kClose}});
  EXPECT_EQ(client_->send(get(garbage.url()), stop_).error().code, Code::kUnavailable);
  std::string dead;
  {
    const TestServer gone({{""}});
    dead = gone.url();
  }
  const Result<HttpResponse> refused = client_->send(get(dead), stop_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_TRUE(refused.error().text.starts_with("GET " + dead + ": ")) << refused.error().text;
}

TEST_F(Http, PlainTextWhereTlsIsExpectedIsUnavailable) {
  TestServer server({{answerOf("200 OK", "x"), TestServer::After::kGreet}});
  std::string url = server.url();
  url.replace(0, 4, "https");
  const Result<HttpResponse> result = client_->send(get(url), stop_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kUnavailable) << result.error().text;
}

TEST_F(Http, RefusesOtherSchemesMethodsAndForgedHeaders) {
  for (const char* url : {"", "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1", "http://a b/",
                          "http://user:secret@127.0.0.1/", "http://127.0.0.1/\r\nX: y", "HTTP//x"}) {
    EXPECT_EQ(client_->send(get(url), stop_).error().code, Code::kInvalidArgument) << url;
  }
  HttpRequest request = get("http://127.0.0.1/");
  request.method = "DELETE";
  EXPECT_EQ(client_->send(request, stop_).error().code, Code::kInvalidArgument);
  request.method = "GET";
  for (const auto& header :
       {std::pair{"X", "a\r\nY: b"}, std::pair{"X\n", "a"}, std::pair{"", "a"}, std::pair{"X:", "a"}}) {
    request.headers = {header};
    EXPECT_EQ(client_->send(request, stop_).error().code, Code::kInvalidArgument) << header.first;
  }
}

TEST_F(Http, AnExpiredOrCancelledStopSendsNothing) {
  TestServer server({{answerOf("200 OK", "x")}});
  Stop past(0s);
  EXPECT_EQ(client_->send(get(server.url()), past).error().code, Code::kDeadlineExceeded);
  Stop cancelled;
  cancelled.cancel();
  EXPECT_EQ(client_->send(get(server.url()), cancelled).error().code, Code::kCancelled);
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(Http, ManyThreadsShareOneClient) {
  std::vector<std::unique_ptr<TestServer>> servers;
  for (int i = 0; i < 12; ++i) {
    servers.push_back(
        std::make_unique<TestServer>(std::vector<TestServer::Answer>{{answerOf("200 OK", "x")}}));
  }
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (const auto& server : servers) {
      threads.emplace_back([&, url = server->url()] {
        for (int turn = 0; turn < 20; ++turn) good += client_->send(get(url), stop_).ok() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(good, 12 * 20);
}

}  // namespace
}  // namespace keelson
