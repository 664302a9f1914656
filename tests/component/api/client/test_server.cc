#include "tests/component/api/client/test_server.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <thread>

#include "base/unique_fd.h"

namespace keelson {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL, decltype(&SSL_free)>;

Context makeContext(const TestServer::Tls& tls) {
  Context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  BIO* bio = BIO_new_mem_buf(tls.own.certificate.data(), static_cast<int>(tls.own.certificate.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context.get(), certificate);
  X509_free(certificate);
  BIO_free(bio);
  bio = BIO_new_mem_buf(tls.own.key.data(), static_cast<int>(tls.own.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context.get(), key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  if (tls.client_ca.empty()) return context;
  bio = BIO_new_mem_buf(tls.client_ca.data(), static_cast<int>(tls.client_ca.size()));
  X509* ca = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca);
  X509_free(ca);
  BIO_free(bio);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

std::string lowerCase(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// One connection, plain or TLS, blocking.
class Connection final : public Reply {
 public:
  Connection(int fd, SSL_CTX* context, int stop) : fd_(fd), stop_(stop), ssl_(nullptr, &SSL_free) {
    if (context == nullptr) return;
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd_);
    if (SSL_accept(ssl_.get()) != 1) open_ = false;
    ERR_clear_error();
  }
  bool open() const { return open_; }

  void write(const std::string& bytes) override {
    size_t sent = 0;
    while (open_ && sent < bytes.size()) {
      const auto left = bytes.size() - sent;
      const ssize_t count = ssl_ ? SSL_write(ssl_.get(), bytes.data() + sent, static_cast<int>(left))
                                 : ::send(fd_, bytes.data() + sent, left, MSG_NOSIGNAL);
      if (count <= 0) open_ = false;
      if (count > 0) sent += static_cast<size_t>(count);
    }
  }
  void awaitGone() override {
    while (open_ && read()) {
    }
    open_ = false;
  }
  void close() override {
    open_ = false;
    ::shutdown(fd_, SHUT_RDWR);
  }

  // The next request; false when the client went away.
  bool next(ServedRequest& request) {
    size_t head_end = 0;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!open_ || !read()) return false;
    }
    const std::string head = buffer_.substr(0, head_end + 2);
    buffer_.erase(0, head_end + 4);
    parseHead(head, request);
    const size_t length =
        request.headers.contains("content-length") ? std::stoul(request.headers.at("content-length")) : 0;
    while (buffer_.size() < length) {
      if (!read()) return false;
    }
    request.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    if (ssl_) request.client_name = clientName();
    return true;
  }

 private:
  bool read() {
    if (!ssl_ || SSL_pending(ssl_.get()) == 0) {
      std::array<pollfd, 2> fds{{{fd_, POLLIN, 0}, {stop_, POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), 30'000) <= 0 || fds[1].revents != 0) return false;
    }
    std::array<char, 16384> piece{};
    const ssize_t count = ssl_ ? SSL_read(ssl_.get(), piece.data(), static_cast<int>(piece.size()))
                               : ::recv(fd_, piece.data(), piece.size(), 0);
    if (count <= 0) return false;
    buffer_.append(piece.data(), static_cast<size_t>(count));
    return true;
  }
  static void parseHead(const std::string& head, ServedRequest& request) {
    const size_t line_end = head.find("\r\n");
    const std::string line = head.substr(0, line_end);
    const size_t space = line.find(' ');
    request.method = line.substr(0, space);
    request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
    for (size_t at = line_end + 2; at < head.size();) {
      const size_t end = head.find("\r\n", at);
      const std::string field = head.substr(at, end - at);
      const size_t colon = field.find(": ");
      if (colon != std::string::npos)
        request.headers[lowerCase(field.substr(0, colon))] = field.substr(colon + 2);
      at = end + 2;
    }
  }
  std::string clientName() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_.get());
    if (certificate == nullptr) return "";
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
    X509_free(certificate);
    return name.data();
  }

  int fd_, stop_;
  Session ssl_;
  std::atomic<bool> open_{true};
  std::string buffer_;
};

}  // namespace

void Reply::answer(int status, const std::string& body, const std::string& headers) {
  write("HTTP/1.1 " + std::to_string(status) + " Any\r\nContent-Type: application/json\r\n" + headers +
        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}
void Reply::beginChunks() {
  write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
}
void Reply::chunk(const std::string& text) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", text.size());
  write(size.data() + text + "\r\n");
}
void Reply::endChunks() { write("0\r\n\r\n"); }

struct TestServer::Impl {
  Handler handler;
  Context context{nullptr, &SSL_CTX_free};
  UniqueFd listener, stop;
  uint16_t port = 0;
  std::atomic<int> accepted{0};
  std::mutex mutex;
  std::list<int> open;  // descriptors of live connections
  std::list<std::thread> threads;
  std::thread acceptor;

  void listen() {
    ::signal(SIGPIPE, SIG_IGN);
    stop = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener.get(), 64);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor = std::thread([this] { accept(); });
  }
  void accept() {
    while (true) {
      std::array<pollfd, 2> fds{{{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[1].revents != 0) return;
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      const int number = ++accepted;
      const std::lock_guard lock(mutex);
      open.push_back(fd.get());
      threads.emplace_back(
          [this, number, owned = std::move(fd)]() mutable { serve(std::move(owned), number); });
    }
  }
  void serve(UniqueFd fd, int number) {
    {
      Connection connection(fd.get(), context.get(), stop.get());
      ServedRequest request;
      request.connection = number;
      while (connection.open() && connection.next(request)) {
        handler(request, connection);
        request = {};
        request.connection = number;
      }
    }
    const std::lock_guard lock(mutex);
    open.remove(fd.get());
    fd.reset();  // under the lock: cutAll must not meet a number reborn
  }
};

TestServer::TestServer(Handler handler) : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->listen();
}

TestServer::TestServer(Handler handler, Tls tls) : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->context = makeContext(tls);
  impl_->listen();
}

TestServer::~TestServer() {
  ::eventfd_write(impl_->stop.get(), 1);
  impl_->acceptor.join();
  cutAll();
  for (std::thread& thread : impl_->threads) thread.join();
}

uint16_t TestServer::port() const { return impl_->port; }

std::string TestServer::url() const {
  return (impl_->context ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(impl_->port);
}

int TestServer::connections() const { return impl_->accepted; }

void TestServer::cutAll() {
  const std::lock_guard lock(impl_->mutex);
  for (const int fd : impl_->open) ::shutdown(fd, SHUT_RDWR);
}

}  // namespace keelson
