// Bootstrap, renewal and serving certificates against a small API server that signs for real.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "api/certificate_signing_request.h"
#include "api/codec.h"
#include "base/fs.h"
#include "kubelet/certificates/client_bootstrap.h"
#include "kubelet/certificates/serving_certificates.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::certificates {
namespace {

using api::client::ApiRequest;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr const char* kPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

// The part of an API server that keeps signing requests; `decide` approves, denies or waits.
class SigningServer {
 public:
  explicit SigningServer(Clock& clock) : clock_(clock) {}

  std::map<std::string, api::CertificateSigningRequest> requests;
  std::function<void(api::CertificateSigningRequest&)> decide = [](auto&) {};
  bool down = false;
  Duration life = hours(24);

  Result<json::value> handle(const ApiRequest& request) {
    if (down) return makeError(Code::kUnavailable, "connection refused");
    if (request.method == "POST" && request.path == kPath) {
      auto csr = TRY(api::decode<api::CertificateSigningRequest>(request.body)).value;
      if (csr.metadata.name.empty())
        csr.metadata.name = csr.metadata.generate_name + std::to_string(requests.size());
      if (requests.contains(csr.metadata.name))
        return makeError(Code::kAlreadyExists, "POST: 409 AlreadyExists");
      return api::encode(requests[csr.metadata.name] = csr);
    }
    const auto found = requests.find(request.path.substr(std::string(kPath).size() + 1));
    if (found == requests.end()) return makeError(Code::kNotFound, "GET: 404");
    decide(found->second);
    return api::encode(found->second);
  }

  // Approved and issued: the request's subject and names are taken over, as the signer of Kubernetes does.
  void issue(api::CertificateSigningRequest& csr) {
    BIO* in = BIO_new_mem_buf(csr.request.bytes.data(), static_cast<int>(csr.request.bytes.size()));
    X509_REQ* request = PEM_read_bio_X509_REQ(in, nullptr, nullptr, nullptr);
    X509* made = X509_new();
    X509_set_version(made, X509_VERSION_3);
    const time_t now =
        std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
    ASN1_TIME_set(X509_getm_notBefore(made), now);
    ASN1_TIME_set(X509_getm_notAfter(made),
                  now + std::chrono::duration_cast<std::chrono::seconds>(life).count());
    X509_set_subject_name(made, X509_REQ_get_subject_name(request));
    X509_set_pubkey(made, X509_REQ_get0_pubkey(request));
    STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i)
      X509_add_ext(made, sk_X509_EXTENSION_value(extensions, i), -1);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_sign(made, ca_.get(), EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, made);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    csr.certificate.bytes.assign(data, static_cast<size_t>(size));
    csr.conditions = {{"Approved", "True", "AutoApproved", ""}};
    BIO_free(in);
    BIO_free(out);
    X509_REQ_free(request);
    X509_free(made);
  }

 private:
  Clock& clock_;
  PrivateKey ca_ = PrivateKey::generate().value();
};

// Answers from the server on the loop, never from inside send().
class ServerClient : public api::client::ApiClient {
 public:
  ServerClient(Loop& loop, SigningServer& server) : loop_(loop), server_(server) {}
  api::client::Call send(ApiRequest request, Done done) override {
    struct Pending : api::client::Call::Impl {
      Registration timer;
    };
    auto pending = std::make_unique<Pending>();
    pending->timer = loop_.after(Duration{0}, [this, request, done] {
      const auto own = done;  // the call may be destroyed by it
      own(server_.handle(request));
    });
    return api::client::Call(std::move(pending));
  }
  api::client::Call stream(ApiRequest, Duration, StreamHandler) override { return {}; }
  const std::string& server() const override { return name_; }

 private:
  Loop& loop_;
  SigningServer& server_;
  std::string name_ = "https://api.test:6443";
};

struct CertificatesFixture : testing::Test {
  TempDir temp;
  FakeClock clock;
  Loop loop;
  Lane lane{"files", 1};
  SigningServer server{clock};
  std::vector<api::client::Connection> used;

  BootstrapOptions options() const {
    BootstrapOptions made;
    made.kubeconfig = temp / "kubelet.conf";
    made.bootstrap_kubeconfig = temp / "bootstrap.conf";
    made.cert_dir = temp / "pki";
    made.node_name = "n1";
    made.timing = {milliseconds(1), milliseconds(5), std::chrono::seconds(5)};
    made.backoff = {milliseconds(1), milliseconds(5), hours(1)};
    return made;
  }

  void writeBootstrap() {
    api::client::Connection connection;
    connection.server = "https://api.test:6443";
    connection.token = "abcdef.0123456789abcdef";
    connection.insecure_skip_tls_verify = true;
    std::ofstream(temp / "bootstrap.conf") << api::client::renderKubeconfig(connection);
  }

  ClientBootstrap::MakeClient makeClient() {
    return
        [this](const api::client::Connection& connection) -> Result<std::unique_ptr<api::client::ApiClient>> {
          used.push_back(connection);
          return std::unique_ptr<api::client::ApiClient>(new ServerClient(loop, server));
        };
  }

  // Turns the loop until `ready`; fails after ten seconds.
  void runUntil(const std::function<bool()>& ready) {
    const Registration check = loop.every(milliseconds(1), [&] {
      if (ready()) loop.context().stop();
    });
    const Registration late = loop.after(std::chrono::seconds(10), [&] {
      ADD_FAILURE() << "not within ten seconds";
      loop.context().stop();
    });
    loop.context().restart();
    loop.context().run();
  }

  std::optional<api::client::Connection> bootstrap(BootstrapOptions from) {
    std::optional<api::client::Connection> got;
    ClientBootstrap running(loop, lane, clock, makeClient(), std::move(from));
    running.start([&](api::client::Connection connection) { got = std::move(connection); });
    runUntil([&] { return got.has_value(); });
    return got;
  }
};

TEST_F(CertificatesFixture, TokenBecomesACertificateAndAKubeconfig) {
  writeBootstrap();
  int polls = 0;
  server.decide = [&](auto& csr) {
    if (++polls == 3) server.issue(csr);
  };
  const auto connection = bootstrap(options());
  ASSERT_TRUE(connection);
  EXPECT_EQ(connection->certificate_file, temp / "pki/kubelet-client-current.pem");
  EXPECT_EQ(connection->key_file, connection->certificate_file);
  EXPECT_EQ(connection->token, "");
  EXPECT_EQ(used.at(0).token, "abcdef.0123456789abcdef");
  ASSERT_EQ(server.requests.size(), 1u);
  const auto& csr = server.requests.begin()->second;
  EXPECT_TRUE(csr.metadata.name.starts_with("node-csr-"));
  EXPECT_EQ(csr.signer_name, "kubernetes.io/kube-apiserver-client-kubelet");
  EXPECT_EQ(csr.usages, (std::vector<std::string>{"digital signature", "client auth"}));
  const auto stored = CertificateStore(temp / "pki", "kubelet-client").load();
  ASSERT_TRUE(stored) << stored.error().text;
  EXPECT_EQ(stored->info.subject, clientSubject("n1"));
  EXPECT_FALSE(std::filesystem::exists(temp / "pki/kubelet-client.key.tmp"));
  // The next start asks nobody.
  used.clear();
  EXPECT_TRUE(bootstrap(options()));
  EXPECT_TRUE(used.empty());
  // After it has expired, the token serves again.
  clock.advance(hours(25));
  server.decide = [&](auto& each) { server.issue(each); };
  EXPECT_TRUE(bootstrap(options()));
  EXPECT_EQ(used.size(), 1u);
}

TEST_F(CertificatesFixture, ADeniedRequestIsFollowedByOneWithAnotherKey) {
  writeBootstrap();
  server.decide = [&](auto& csr) {
    if (server.requests.size() < 3)
      csr.conditions = {{"Denied", "True", "NotYou", "who are you"}};
    else if (csr.conditions.empty())
      server.issue(csr);
  };
  EXPECT_TRUE(bootstrap(options()));
  EXPECT_EQ(server.requests.size(), 3u);
}

TEST_F(CertificatesFixture, ARestartFindsItsOwnRequestAgain) {
  writeBootstrap();
  {
    ClientBootstrap running(loop, lane, clock, makeClient(), options());
    running.start([](api::client::Connection) { FAIL() << "nobody approved"; });
    runUntil([&] { return !server.requests.empty(); });
  }
  server.decide = [&](auto& csr) { server.issue(csr); };
  EXPECT_TRUE(bootstrap(options()));
  EXPECT_EQ(server.requests.size(), 1u);
}

TEST_F(CertificatesFixture, AServerThatIsDownIsTriedAgain) {
  writeBootstrap();
  server.down = true;
  server.decide = [&](auto& csr) { server.issue(csr); };
  std::optional<api::client::Connection> got;
  ClientBootstrap running(loop, lane, clock, makeClient(), options());
  running.start([&](api::client::Connection connection) { got = std::move(connection); });
  runUntil([&] { return used.size() >= 3; });
  EXPECT_NE(running.lastError().find("connection refused"), std::string::npos) << running.lastError();
  server.down = false;
  runUntil([&] { return got.has_value(); });
}

TEST_F(CertificatesFixture, WithoutAnyKubeconfigTheReasonIsTold) {
  ClientBootstrap running(loop, lane, clock, makeClient(), options());
  running.start([](api::client::Connection) { FAIL(); });
  runUntil([&] { return !running.lastError().empty(); });
  EXPECT_NE(running.lastError().find("kubelet.conf"), std::string::npos) << running.lastError();
  EXPECT_NE(running.lastError().find("bootstrap.conf"), std::string::npos) << running.lastError();
}

TEST_F(CertificatesFixture, TheClientCertificateIsRenewedBeforeItsEnd) {
  writeBootstrap();
  server.decide = [&](auto& csr) { server.issue(csr); };
  ASSERT_TRUE(bootstrap(options()));
  ServerClient client(loop, server);
  RenewalOptions renewal_options = clientRenewal(temp / "pki");
  renewal_options.timing = options().timing;
  const std::string before = CertificateStore(temp / "pki", "kubelet-client").load()->pem;
  clock.advance(hours(15));
  {
    CertificateRenewal early(loop, lane, clock, client, renewal_options, [] { return 0.5; });
    bool current = false;
    early.start([&](const StoredCertificate&) { current = true; });
    early.want(clientSubject("n1"));
    runUntil([&] { return current; });
    EXPECT_EQ(early.stats().renewals, 0u) << "80 % of a day is 19 h 12 min";
  }
  clock.advance(hours(5));
  CertificateRenewal due(loop, lane, clock, client, renewal_options, [] { return 0.5; });
  due.start([](const StoredCertificate&) {});
  due.want(clientSubject("n1"));
  runUntil([&] { return due.stats().renewals == 1; });
  const auto after = CertificateStore(temp / "pki", "kubelet-client").load();
  EXPECT_NE(after->pem, before);
  EXPECT_EQ(after->info.not_after, clock.wall() + hours(24));
}

TEST_F(CertificatesFixture, AnEmbeddedCertificateMovesToTheStoreForRotation) {
  const PrivateKey key = PrivateKey::generate().value();
  api::client::Connection embedded;
  embedded.server = "https://api.test:6443";
  embedded.insecure_skip_tls_verify = true;
  embedded.certificate_data = buildSelfSigned(key, clientSubject("n1"), clock.wall(), hours(24)).value();
  embedded.key_data = key.pem();
  std::ofstream(temp / "kubelet.conf") << api::client::renderKubeconfig(embedded);
  BootstrapOptions from = options();
  EXPECT_EQ(bootstrap(from)->certificate_file, "");
  from.rotate = true;
  const auto connection = bootstrap(from);
  const CertificateStore store(temp / "pki", "kubelet-client");
  EXPECT_EQ(connection->certificate_file, store.currentPath());
  EXPECT_EQ(connection->key_file, store.currentPath());
  EXPECT_EQ(connection->certificate_data + connection->key_data, "");
  EXPECT_EQ(store.load()->key.publicDer(), key.publicDer());
  EXPECT_TRUE(used.empty());
}

TEST_F(CertificatesFixture, AnExpiredCertificateIsTold) {
  writeBootstrap();
  server.decide = [&](auto& csr) { server.issue(csr); };
  ASSERT_TRUE(bootstrap(options()));
  clock.advance(hours(25));
  server.down = true;
  ServerClient client(loop, server);
  CertificateRenewal renewal(loop, lane, clock, client, clientRenewal(temp / "pki"));
  bool expired = false;
  renewal.start([](const StoredCertificate&) {}, [&] { expired = true; });
  renewal.want(clientSubject("n1"));
  runUntil([&] { return expired && renewal.stats().failures > 0; });
}

TEST_F(CertificatesFixture, TheClusterSignsServingCertificatesForKnownAddresses) {
  ServerClient client(loop, server);
  server.decide = [&](auto& csr) { server.issue(csr); };
  ServingOptions serving;
  serving.bootstrap = true;
  serving.cert_dir = temp / "pki";
  serving.node_name = "n1";
  ServingCertificates certificates(loop, lane, clock, &client, serving);
  std::vector<ServingPair> pairs;
  certificates.start([&](const ServingPair& pair) { pairs.push_back(pair); });
  certificates.setAddresses({"n1"}, {});
  EXPECT_TRUE(server.requests.empty()) << "no address yet";
  certificates.setAddresses({"n1"}, {IpAddress::parse("192.0.2.1").value()});
  runUntil([&] { return pairs.size() == 1; });
  const auto& csr = server.requests.begin()->second;
  EXPECT_EQ(csr.signer_name, "kubernetes.io/kubelet-serving");
  EXPECT_EQ(csr.usages, (std::vector<std::string>{"digital signature", "server auth"}));
  certificates.setAddresses({"n1"}, {IpAddress::parse("192.0.2.2").value()});
  runUntil([&] { return pairs.size() == 2; });
  EXPECT_EQ(readCertificates(pairs[1].certificate_pem)->front().subject.ip_addresses.at(0).str(),
            "192.0.2.2");
}

TEST_F(CertificatesFixture, GivenServingFilesAreReadAgain) {
  const auto write = [&] {
    const PrivateKey key = PrivateKey::generate().value();
    ASSERT_TRUE(writeFileAtomic(temp / "key", key.pem()));
    ASSERT_TRUE(writeFileAtomic(
        temp / "crt",
        buildSelfSigned(key, servingSubject("n1", {"n1"}, {}), clock.wall(), hours(1)).value()));
  };
  write();
  ServingOptions serving;
  serving.cert_file = temp / "crt";
  serving.key_file = temp / "key";
  serving.reread = milliseconds(5);
  ServingCertificates certificates(loop, lane, clock, nullptr, serving);
  std::vector<ServingPair> pairs;
  certificates.start([&](const ServingPair& pair) { pairs.push_back(pair); });
  runUntil([&] { return pairs.size() == 1; });
  ASSERT_TRUE(writeFileAtomic(temp / "crt", "broken"));
  runUntil([&] { return !certificates.lastError().empty(); });
  EXPECT_EQ(pairs.size(), 1u) << "the last good pair stays";
  write();
  runUntil([&] { return pairs.size() == 2; });
}

}  // namespace
}  // namespace keelson::kubelet::certificates
