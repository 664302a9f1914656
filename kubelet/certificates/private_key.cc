#include "kubelet/certificates/private_key.h"

#include "kubelet/certificates/openssl.h"

namespace keelson::kubelet::certificates {

PrivateKey::PrivateKey(evp_pkey_st* key) : key_(key, EVP_PKEY_free) {}

Result<PrivateKey> PrivateKey::generate() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  if (key == nullptr) return opensslError(Code::kInternal, "generate a key");
  return PrivateKey(key);
}

Result<PrivateKey> PrivateKey::parse(std::string_view pem) {
  const BioPtr bio = readBio(pem);
  // An encrypted key must fail instead of asking the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr);
  if (key == nullptr) return opensslError(Code::kInvalidArgument, "expected a private key in PEM");
  ERR_clear_error();
  return PrivateKey(key);
}

std::string PrivateKey::pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey_traditional(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return takeText(bio.get());
}

std::string PrivateKey::publicDer() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &der);
  if (size <= 0) return "";
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace keelson::kubelet::certificates
