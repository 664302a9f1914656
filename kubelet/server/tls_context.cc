#include "kubelet/server/tls_context.h"

#include <boost/asio/ssl.hpp>

#include "kubelet/server/openssl.h"

namespace keelson::kubelet::server {
namespace {

Result<int> minVersion(const std::string& name) {
  if (name.empty() || name == "VersionTLS12") return TLS1_2_VERSION;
  if (name == "VersionTLS13") return TLS1_3_VERSION;
  return makeError(Code::kInvalidArgument, "tlsMinVersion: expected VersionTLS12 or VersionTLS13, got \"{}\"",
                   name);
}

// OpenSSL's list of its own names, the suites of TLS 1.3 left out.
Result<std::string> cipherList(const std::vector<std::string>& suites) {
  std::string list;
  for (const std::string& suite : suites) {
    if (suite.starts_with("TLS_AES_") || suite.starts_with("TLS_CHACHA20_")) continue;
    std::string iana = suite;
    if (iana == "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" || iana == "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305")
      iana += "_SHA256";  // Go has both names
    const std::string name = ::OPENSSL_cipher_name(iana.c_str());
    if (name == "(NONE)")
      return makeError(Code::kInvalidArgument, "tlsCipherSuites: \"{}\" is not known here", suite);
    list += (list.empty() ? "" : ":") + name;
  }
  return list;
}

Result<std::string> curveList(const std::vector<std::string>& curves) {
  std::string list;
  for (const std::string& curve : curves) {
    const char* name = curve == "X25519"      ? "X25519"
                       : curve == "CurveP256" ? "P-256"
                       : curve == "CurveP384" ? "P-384"
                       : curve == "CurveP521" ? "P-521"
                                              : nullptr;
    // What only newer libraries have (X25519MLKEM768) is a preference, not a need.
    if (name == nullptr && curve != "X25519MLKEM768" && curve != "SecP256r1MLKEM768" &&
        curve != "SecP384r1MLKEM1024")
      return makeError(Code::kInvalidArgument, "tlsCurvePreferences: \"{}\" is not known here", curve);
    if (name != nullptr) list += std::string(list.empty() ? "" : ":") + name;
  }
  return list;
}

Result<void> usePair(SSL_CTX* context, const std::string& certificate_pem, const std::string& key_pem) {
  auto chain = TRY_CTX(readPemCertificates(certificate_pem), "serving certificate");
  if (::SSL_CTX_use_certificate(context, chain.front().get()) != 1)
    return opensslError(Code::kInvalidArgument, "serving certificate");
  for (size_t i = 1; i < chain.size(); ++i) {
    if (::SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1)
      return opensslError(Code::kInvalidArgument, "serving certificate's chain");
  }
  const BioPtr bio(::BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(
      ::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || ::SSL_CTX_use_PrivateKey(context, key.get()) != 1 || ::SSL_CTX_check_private_key(context) != 1)
    return opensslError(Code::kInvalidArgument, "serving key");
  return {};
}

Result<void> nameAuthorities(SSL_CTX* context, const std::string& pem) {
  if (pem.empty()) return {};
  auto certificates = TRY_CTX(readPemCertificates(pem), "client CA");
  for (const auto& certificate : certificates) {
    if (::SSL_CTX_add_client_CA(context, certificate.get()) != 1)
      return opensslError(Code::kInvalidArgument, "client CA");
  }
  return {};
}

}  // namespace

Result<void> checkTlsSettings(const TlsSettings& settings) {
  TRY(minVersion(settings.min_version));
  TRY(cipherList(settings.cipher_suites));
  TRY(curveList(settings.curves));
  return {};
}

Result<TlsContext> makeTlsContext(const TlsSettings& settings, const std::string& certificate_pem,
                                  const std::string& key_pem, const std::string& client_ca_pem) {
  auto made = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX* context = made->native_handle();
  ::SSL_CTX_set_min_proto_version(context, TRY(minVersion(settings.min_version)));
  const std::string ciphers = TRY(cipherList(settings.cipher_suites));
  if (!ciphers.empty() && ::SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1)
    return opensslError(Code::kInvalidArgument, "tlsCipherSuites");
  const std::string curves = TRY(curveList(settings.curves));
  if (!curves.empty() && ::SSL_CTX_set1_curves_list(context, curves.c_str()) != 1)
    return opensslError(Code::kInvalidArgument, "tlsCurvePreferences");
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_num_tickets(context, 0);
  ::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  TRY(usePair(context, certificate_pem, key_pem));
  TRY(nameAuthorities(context, client_ca_pem));
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  ::SSL_CTX_set_cert_verify_callback(
      context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  return made;
}

}  // namespace keelson::kubelet::server
