// SHA-256 (OpenSSL EVP, so SHA-NI where the CPU has it).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace keelson {

// A running digest. One owner, one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  // Lower-case hex of the digest; the object is finished.
  std::string finishHex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string sha256Hex(std::string_view bytes);

}  // namespace keelson
