#include "api/client/credentials.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>

#include "api/base64.h"
#include "base/fs.h"

namespace keelson::api::client {
namespace {

constexpr size_t kMaxPemBytes = size_t{4} << 20;
constexpr Duration kPluginTimeout = std::chrono::seconds(30);
constexpr Duration kBeforeExpiry = std::chrono::seconds(10);

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio bioOf(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

Certificate firstCertificate(const std::string& pem) {
  const Bio bio = bioOf(pem);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
}

// An encrypted key must not ask the terminal for its password.
int noPassword(char*, int, int, void*) { return 0; }

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

CredentialSource::CredentialSource(Connection connection, const Clock& clock)
    : connection_(std::move(connection)), clock_(clock) {}

bool CredentialSource::canChange() const {
  return connection_.exec || !connection_.token_file.empty() || !connection_.ca_file.empty() ||
         !connection_.certificate_file.empty() || !connection_.key_file.empty();
}

Result<void> CredentialSource::check(const TlsMaterial& material) {
  ERR_clear_error();
  if (!material.ca.empty() && !firstCertificate(material.ca)) {
    return makeError(Code::kInvalidArgument, "certificate authority: no PEM certificate in it");
  }
  if (material.certificate.empty()) return {};
  const Certificate certificate = firstCertificate(material.certificate);
  if (!certificate) return makeError(Code::kInvalidArgument, "client certificate: no PEM certificate in it");
  const Bio bio = bioOf(material.key);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &noPassword, nullptr), &EVP_PKEY_free);
  if (!key) return makeError(Code::kInvalidArgument, "client key: no unencrypted PEM key in it");
  const bool matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!matches) return makeError(Code::kInvalidArgument, "client key: does not match the certificate");
  return {};
}

Result<std::string> CredentialSource::fileContent(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return sysError("{}", path);
  const std::string identity = fmt::format("{}:{}:{}:{}.{}", info.st_dev, info.st_ino, info.st_size,
                                           info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  File& file = files_[path];
  if (file.identity != identity) {
    file.content = TRY_CTX(readFile(path, kMaxPemBytes), "{}", path);
    file.identity = identity;
  }
  return file.content;
}

Result<std::string> CredentialSource::bearer() {
  if (plugin_ && !plugin_->token.empty()) return plugin_->token;
  if (connection_.token_file.empty()) return connection_.token;
  auto content = fileContent(connection_.token_file);
  std::string token = content.ok() ? trimmed(*content) : "";
  if (token.empty()) {
    // The last token that was read, then the kubeconfig's own.
    token = trimmed(files_[connection_.token_file].content);
    if (token.empty()) token = connection_.token;
  }
  if (!token.empty()) return token;
  if (!content) return std::move(content).error().withContext("token file");
  return makeError(Code::kInvalidArgument, "token file {}: empty", connection_.token_file);
}

Result<void> CredentialSource::runPlugin(Why why, const Stop& stop) {
  if (!connection_.exec) return {};
  const bool expired = plugin_ && plugin_->expires && clock_.wall() + kBeforeExpiry >= *plugin_->expires;
  if (plugin_ && !expired && why == Why::kRoutine) return {};
  std::string ca = connection_.ca_data;
  if (ca.empty() && !connection_.ca_file.empty()) ca = TRY(fileContent(connection_.ca_file));
  const Command command = buildExecCommand(connection_, ca);
  const std::string output = TRY_CTX(runCommand(command, stop.within(kPluginTimeout)), "credential plugin");
  plugin_ = TRY_CTX(parseExecCredential(output, connection_.exec->api_version), "credential plugin {}",
                    command.program);
  return {};
}

Result<TlsMaterial> CredentialSource::material() {
  const auto choose = [this](const std::string& data, const std::string& path) -> Result<std::string> {
    if (!data.empty() || path.empty()) return data;
    return fileContent(path);
  };
  TlsMaterial out;
  out.ca = TRY_CTX(choose(connection_.ca_data, connection_.ca_file), "certificate authority");
  out.certificate =
      TRY_CTX(choose(connection_.certificate_data, connection_.certificate_file), "client certificate");
  out.key = TRY_CTX(choose(connection_.key_data, connection_.key_file), "client key");
  if (plugin_ && !plugin_->certificate.empty()) {
    out.certificate = plugin_->certificate;
    out.key = plugin_->key;
  }
  TRY(check(out));
  return out;
}

Result<Credentials> CredentialSource::read(Why why, const Stop& stop) {
  TRY(runPlugin(why, stop));
  auto fresh = material();
  if (!fresh && tls_ == nullptr) return std::move(fresh).error();
  // Between the renaming of a certificate and that of its key they do not match: the former pair is kept.
  if (fresh.ok() && (tls_ == nullptr || !(*fresh == *tls_))) {
    tls_ = std::make_shared<const TlsMaterial>(std::move(fresh).value());
  }
  Credentials out;
  out.tls = tls_;
  const std::string token = TRY(bearer());
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(token.begin(), token.end(), is_control)) {
    return makeError(Code::kInvalidArgument, "token: has characters that no token may have");
  }
  if (!token.empty()) {
    out.authorization = "Bearer " + token;
  } else if (!connection_.username.empty()) {
    out.authorization = "Basic " + encodeBase64(connection_.username + ":" + connection_.password);
  }
  if (plugin_) out.expires = plugin_->expires;
  return out;
}

}  // namespace keelson::api::client
