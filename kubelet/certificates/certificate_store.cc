#include "kubelet/certificates/certificate_store.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "base/fs.h"

namespace keelson::kubelet::certificates {
namespace {

// 2026-11-21-15-04-05
std::string stamp(WallTime now) {
  std::string text = formatTime(now).substr(0, 19);
  std::replace(text.begin(), text.end(), 'T', '-');
  std::replace(text.begin(), text.end(), ':', '-');
  return text;
}

Result<StoredCertificate> parse(std::string pem) {
  PrivateKey key = TRY(PrivateKey::parse(pem));
  const auto infos = TRY(readCertificates(pem));
  TRY(checkPair(pem, key));
  return StoredCertificate{std::move(pem), std::move(key), infos.front()};
}

}  // namespace

Result<StoredCertificate> CertificateStore::load() const {
  return TRY_CTX(parse(TRY(readFile(currentPath(), kMaxPemBytes))), "{}", currentPath());
}

Result<StoredCertificate> CertificateStore::update(const std::string& certificate_pem, const PrivateKey& key,
                                                   WallTime now) const {
  TRY_CTX(checkPair(certificate_pem, key), "{}", currentPath());
  std::string pem = certificate_pem;
  if (!pem.ends_with('\n')) pem += '\n';
  StoredCertificate stored = TRY(parse(pem + key.pem()));
  const DirFd directory = TRY_CTX(DirFd::ensure(directory_, 0755), "certificates");
  const std::string name = fmt::format("{}-{}.pem", prefix_, stamp(now));
  TRY_CTX(directory.writeFileAtomic(name, stored.pem, 0600), "{}", directory_);
  // A link cannot be replaced in one step, a renamed one can.
  const std::string fresh = prefix_ + "-updated.pem", current = prefix_ + "-current.pem";
  TRY(directory.removeFile(fresh));
  if (::symlinkat((directory_ + "/" + name).c_str(), directory.get(), fresh.c_str()) != 0)
    return sysError("link {}/{}", directory_, fresh);
  if (::renameat(directory.get(), fresh.c_str(), directory.get(), current.c_str()) != 0)
    return sysError("rename {}/{} to {}", directory_, fresh, current);
  return stored;
}

}  // namespace keelson::kubelet::certificates
