// OpenSSL's owners and its errors. Included by .cc files of this folder.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelson::kubelet::server {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* thing) const {
    free(thing);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;

// The newest error of this thread's queue, which is emptied.
inline Error opensslError(Code code, std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long number = ERR_peek_last_error()) ERR_error_string_n(number, text, sizeof text);
  ERR_clear_error();
  return makeError(code, "{}: {}", what, text);
}

// Every certificate of a PEM text; other blocks are passed over. kInvalidArgument for a broken one or none.
inline Result<std::vector<X509Ptr>> readPemCertificates(std::string_view pem) {
  constexpr size_t kMax = 1024;
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<X509Ptr> all;
  while (all.size() < kMax) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    all.push_back(std::move(next));
  }
  const unsigned long last = ERR_peek_last_error();
  if (all.empty() || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
    return opensslError(Code::kInvalidArgument, "no usable certificate");
  ERR_clear_error();
  return all;
}

}  // namespace keelson::kubelet::server
