// Certificates of a test's own, made with OpenSSL.
#pragma once

#include <string>

namespace keelson {

struct CertificateAndKey {
  std::string certificate, key;  // PEM
};

// A CA of the test. Any thread.
class TestCa {
 public:
  explicit TestCa(const std::string& name);
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  std::string pem() const;
  // `alternative` is OpenSSL's text of subject alternative names ("IP:127.0.0.1,DNS:kube.test"), "" for none.
  CertificateAndKey issue(const std::string& name, const std::string& alternative) const;

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace keelson
