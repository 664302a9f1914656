// An HTTP(S) server inside the test, on a port of the kernel's choice.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/component/api/client/tls_files.h"

namespace keelson {

struct ServedRequest {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string client_name;                     // CN of the client's certificate
  int connection = 0;                          // counted from 1
};

// The answering side of one request. Bytes go out as they are given. Lives in the handler.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual void write(const std::string& bytes) = 0;
  // Waits until the client went away, or the server stops.
  virtual void awaitGone() = 0;
  virtual void close() = 0;

  // A whole answer with its length.
  void answer(int status, const std::string& body, const std::string& headers = "");
  // The head of a chunked answer, its pieces, its end.
  void beginChunks();
  void chunk(const std::string& text);
  void endChunks();
};

// One thread a connection, HTTP/1.1 with keep-alive; the handler runs on that thread, for several
// connections at once. Destroying it closes all connections and waits for the handlers.
class TestServer {
 public:
  using Handler = std::function<void(const ServedRequest&, Reply&)>;
  struct Tls {
    CertificateAndKey own;
    std::string client_ca;  // PEM; "" asks for no certificate
  };

  explicit TestServer(Handler handler);
  TestServer(Handler handler, Tls tls);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  uint16_t port() const;
  std::string url() const;  // "https://127.0.0.1:port"
  int connections() const;  // accepted so far
  // Cuts all connections; new ones are accepted.
  void cutAll();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson
