#include "kubelet/certificates/client_bootstrap.h"

#include "base/fs.h"
#include "base/log.h"

namespace keelson::kubelet::certificates {
namespace {

constexpr const char* kKeyFile = "kubelet-client.key.tmp";

// Inline data wins over files, as in client-go.
Result<std::string> pemOf(const std::string& data, const std::string& file) {
  if (!data.empty() || file.empty()) return data;
  return readFile(file, kMaxPemBytes);
}

// The key of a request under way, or a new one that is kept.
Result<PrivateKey> loadOrMakeKey(const std::string& cert_dir) {
  const DirFd directory = TRY_CTX(DirFd::ensure(cert_dir, 0755), "certificates");
  if (const auto pem = directory.readFile(kKeyFile, kMaxPemBytes)) {
    if (auto key = PrivateKey::parse(*pem)) return key;
  }
  PrivateKey key = TRY(PrivateKey::generate());
  TRY_CTX(directory.writeFileAtomic(kKeyFile, key.pem(), 0600), "{}", cert_dir);
  return key;
}

Result<void> forgetKey(const std::string& cert_dir) {
  return TRY_CTX(DirFd::open(cert_dir), "certificates").removeFile(kKeyFile);
}

Result<api::client::Connection> storeSigned(const BootstrapOptions& options,
                                            const api::client::Connection& bootstrap, const std::string& pem,
                                            const PrivateKey& key, WallTime now) {
  const CertificateStore store(options.cert_dir, "kubelet-client");
  TRY(store.update(pem, key, now));
  const std::string text =
      api::client::renderKubeconfig(bootstrappedConnection(bootstrap, store.currentPath()));
  TRY_CTX(writeFileAtomic(options.kubeconfig, text, 0600), "kubeconfig {}", options.kubeconfig);
  TRY(forgetKey(options.cert_dir));
  return readUsableKubeconfig(options.kubeconfig, now);
}

}  // namespace

// What the files say: a connection that serves, or all that a request for one needs.
struct ClientBootstrap::Prepared {
  std::optional<api::client::Connection> usable;
  std::string why_not;  // without a usable one
  api::client::Connection bootstrap;
  std::optional<PrivateKey> key;
};

Result<api::client::Connection> readUsableKubeconfig(const std::string& path, WallTime now) {
  auto connection = TRY(api::client::readKubeconfig(path));
  const std::string pem = TRY_CTX(pemOf(connection.certificate_data, connection.certificate_file),
                                  "kubeconfig {}: client certificate", path);
  if (pem.empty()) {
    if (connection.token.empty() && connection.token_file.empty() && !connection.exec &&
        connection.username.empty())
      return makeError(Code::kFailedPrecondition,
                       "kubeconfig {}: it names no client certificate or other identity", path);
    return connection;
  }
  for (const CertificateInfo& info :
       TRY_CTX(readCertificates(pem), "kubeconfig {}: client certificate", path)) {
    if (now > info.not_after)
      return makeError(Code::kFailedPrecondition, "kubeconfig {}: its client certificate has expired at {}",
                       path, formatTime(info.not_after));
  }
  return connection;
}

api::client::Connection bootstrappedConnection(const api::client::Connection& bootstrap,
                                               const std::string& pem_path) {
  api::client::Connection connection;
  connection.server = bootstrap.server;
  connection.tls_server_name = bootstrap.tls_server_name;
  connection.proxy_url = bootstrap.proxy_url;
  connection.insecure_skip_tls_verify = bootstrap.insecure_skip_tls_verify;
  connection.ca_file = bootstrap.ca_file;
  connection.ca_data = bootstrap.ca_data;
  connection.certificate_file = pem_path;
  connection.key_file = pem_path;
  connection.name_space = "default";
  return connection;
}

Result<api::client::Connection> rotatingConnection(api::client::Connection connection,
                                                   const CertificateStore& store, WallTime now) {
  if (connection.certificate_file == store.currentPath()) return connection;
  const std::string pem = TRY(pemOf(connection.certificate_data, connection.certificate_file));
  if (pem.empty()) return connection;
  const auto own = TRY(readCertificates(pem));
  auto stored = store.load();
  if (!stored) {
    const PrivateKey key = TRY(PrivateKey::parse(TRY(pemOf(connection.key_data, connection.key_file))));
    stored = TRY(store.update(pem, key, now));
  }
  if (stored->info.subject.common_name != own.front().subject.common_name || now > stored->info.not_after)
    return connection;
  connection.certificate_data.clear();
  connection.key_data.clear();
  connection.certificate_file = connection.key_file = store.currentPath();
  return connection;
}

ClientBootstrap::ClientBootstrap(Loop& loop, Lane& lane, Clock& clock, MakeClient make_client,
                                 BootstrapOptions options)
    : loop_(loop),
      clock_(clock),
      make_client_(std::move(make_client)),
      options_(std::move(options)),
      files_(lane, "client-bootstrap") {}

ClientBootstrap::~ClientBootstrap() { *alive_ = false; }

void ClientBootstrap::start(std::function<void(api::client::Connection)> done) {
  done_ = std::move(done);
  prepare();
}

void ClientBootstrap::prepare() {
  files_.post([this, options = options_, now = clock_.wall(), &loop = loop_, alive = alive_] {
    const auto read = [&]() -> Result<Prepared> {
      Prepared prepared;
      auto usable = readUsableKubeconfig(options.kubeconfig, now);
      if (usable) {
        prepared.usable = std::move(usable).value();
        if (options.rotate)
          prepared.usable =
              TRY_CTX(rotatingConnection(*std::move(prepared.usable),
                                         CertificateStore(options.cert_dir, "kubelet-client"), now),
                      "rotate the client certificate");
        return prepared;
      }
      if (options.bootstrap_kubeconfig.empty()) return std::move(usable).error();
      prepared.why_not = usable.error().text;
      prepared.bootstrap = TRY_CTX(api::client::readKubeconfig(options.bootstrap_kubeconfig),
                                   "{}; TLS bootstrap", prepared.why_not);
      prepared.key = TRY(loadOrMakeKey(options.cert_dir));
      return prepared;
    };
    loop.post([this, alive, prepared = std::make_shared<Result<Prepared>>(read())] {
      if (*alive) onPrepared(std::move(*prepared));
    });
  });
}

void ClientBootstrap::onPrepared(Result<Prepared> prepared) {
  if (!prepared) return retry(prepared.error());
  if (prepared->usable) {
    last_error_.clear();
    auto done = std::move(done_);
    return done(std::move(*prepared->usable));
  }
  prepared_ = std::make_unique<Prepared>(std::move(prepared).value());
  LOG_INFO("TLS bootstrap at {} as node {}: {}", prepared_->bootstrap.server, options_.node_name,
           prepared_->why_not);
  auto client = make_client_(prepared_->bootstrap);
  if (!client) return retry(std::move(client).error().withContext("TLS bootstrap"));
  client_ = std::move(client).value();
  SigningOrder order{*prepared_->key, clientSubject(options_.node_name), kClientSigner, clientUsages(), ""};
  order.name = csrName(order.key, order.subject, order.usages);
  signing_ = std::make_unique<SigningRequest>(loop_, *client_, std::move(order), options_.timing);
  signing_->start([this](Result<std::string> pem) { onSigned(std::move(pem)); });
}

void ClientBootstrap::onSigned(Result<std::string> pem) {
  // The request runs this very callback: it is let go afterwards.
  loop_.post([signing = std::shared_ptr<SigningRequest>(std::move(signing_)),
              client = std::shared_ptr<api::client::ApiClient>(std::move(client_))]() mutable {
    signing.reset();
    client.reset();
  });
  if (!pem) {
    // A judged request stays judged; the next one needs a name, and so a key, of its own.
    if (pem.error().code != Code::kDeadlineExceeded && pem.error().code != Code::kUnavailable)
      files_.post([dir = options_.cert_dir] { static_cast<void>(forgetKey(dir)); });
    return retry(std::move(pem).error().withContext("TLS bootstrap"));
  }
  files_.post([this, options = options_, bootstrap = prepared_->bootstrap, key = *prepared_->key, pem = *pem,
               now = clock_.wall(), &loop = loop_, alive = alive_] {
    auto stored = storeSigned(options, bootstrap, pem, key, now);
    loop.post([this, alive, stored = std::move(stored)] {
      if (!*alive) return;
      if (!stored) return retry(stored.error());
      last_error_.clear();
      LOG_INFO("TLS bootstrap: the client certificate is in {}, kubeconfig {}", options_.cert_dir,
               options_.kubeconfig);
      auto done = std::move(done_);
      done(*stored);
    });
  });
}

void ClientBootstrap::retry(const Error& error) {
  last_error_ = error.text;
  backoff_ = backoff_.next(options_.backoff, clock_.wall());
  LOG_WARN("{}; next try in {}", error.text, formatDuration(backoff_.delay));
  retry_timer_ = loop_.after(backoff_.delay, [this] { prepare(); });
}

}  // namespace keelson::kubelet::certificates
