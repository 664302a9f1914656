// OpenSSL's owners and its errors. Included by the .cc files of this folder.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::kubelet::certificates {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* thing) const {
    free(thing);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using X509ReqPtr = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;

inline BioPtr readBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

inline std::string takeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// The newest error of this thread's queue, which is emptied.
inline Error opensslError(Code code, std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long number = ERR_peek_last_error()) ERR_error_string_n(number, text, sizeof text);
  ERR_clear_error();
  return makeError(code, "{}: {}", what, text);
}

}  // namespace keelson::kubelet::certificates
