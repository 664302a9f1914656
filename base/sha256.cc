#include "base/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace keelson {
namespace {

constexpr size_t kDigestBytes = 32;

// OpenSSL's digest calls fail only for lack of memory or a build without SHA-256: no digest, no go.
void require(bool done) {
  if (!done) std::abort();
}

}  // namespace

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() { require(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  require(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finishHex() {
  std::array<unsigned char, kDigestBytes> digest{};
  require(EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr) == 1);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(kDigestBytes * 2);
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256Hex(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finishHex();
}

}  // namespace keelson
