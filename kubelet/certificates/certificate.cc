#include "kubelet/certificates/certificate.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kubelet/certificates/openssl.h"
#include "kubelet/certificates/subject_names.h"

namespace keelson::kubelet::certificates {
namespace {

constexpr Duration kClockSkew = std::chrono::hours(1);

WallTime toTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

std::string textOf(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

std::vector<std::string> namesOf(X509_NAME* name, int nid) {
  std::vector<std::string> out;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0;)
    out.push_back(textOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
  return out;
}

void readAltNames(X509* certificate, CertificateSubject& subject) {
  auto* const names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    const std::string text = textOf(static_cast<const ASN1_STRING*>(value));
    if (type == GEN_DNS) {
      subject.dns_names.push_back(text);
    } else if (text.size() == 4 || text.size() == 16) {
      IpAddress address;
      address.family = text.size() == 4 ? IpFamily::kV4 : IpFamily::kV6;
      std::memcpy(address.bytes.data(), text.data(), text.size());
      subject.ip_addresses.push_back(address);
    }
  }
  sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
  std::sort(subject.dns_names.begin(), subject.dns_names.end());
  std::sort(subject.ip_addresses.begin(), subject.ip_addresses.end());
}

CertificateInfo infoOf(X509* certificate) {
  CertificateInfo info;
  X509_NAME* const name = X509_get_subject_name(certificate);
  const auto common = namesOf(name, NID_commonName);
  if (!common.empty()) info.subject.common_name = common.front();
  info.subject.organizations = namesOf(name, NID_organizationName);
  readAltNames(certificate, info.subject);
  info.not_before = toTime(X509_get0_notBefore(certificate));
  info.not_after = toTime(X509_get0_notAfter(certificate));
  return info;
}

template <class T>
bool includesAll(const std::vector<T>& sorted, const std::vector<T>& wanted) {
  return std::includes(sorted.begin(), sorted.end(), wanted.begin(), wanted.end());
}

time_t toSeconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

Result<void> addExtension(X509* certificate, int nid, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    return opensslError(Code::kInternal, "certificate extension");
  return {};
}

}  // namespace

Result<std::vector<CertificateInfo>> readCertificates(std::string_view pem) {
  std::vector<CertificateInfo> infos;
  const BioPtr bio = readBio(pem);
  while (const X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (infos.size() == kMaxChain)
      return makeError(Code::kInvalidArgument, "more than {} certificates in one file", kMaxChain);
    infos.push_back(infoOf(certificate.get()));
  }
  // The loop ends with an error in any case; only "no more blocks" is the good one.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return opensslError(Code::kInvalidArgument, "a certificate in PEM");
  ERR_clear_error();
  if (infos.empty()) return makeError(Code::kInvalidArgument, "expected a certificate in PEM");
  return infos;
}

Result<void> checkPair(std::string_view pem, const PrivateKey& key) {
  const X509Ptr certificate(PEM_read_bio_X509(readBio(pem).get(), nullptr, nullptr, nullptr));
  if (!certificate) return opensslError(Code::kInvalidArgument, "expected a certificate in PEM");
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return opensslError(Code::kInvalidArgument, "the certificate does not belong to the key");
  return {};
}

bool covers(const CertificateInfo& info, const CertificateSubject& wanted) {
  return info.subject.common_name == wanted.common_name &&
         info.subject.organizations == wanted.organizations &&
         includesAll(info.subject.dns_names, wanted.dns_names) &&
         includesAll(info.subject.ip_addresses, wanted.ip_addresses);
}

Result<std::string> buildSelfSigned(const PrivateKey& key, const CertificateSubject& subject, WallTime now,
                                    Duration life) {
  const X509Ptr certificate(X509_new());
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), static_cast<uint64_t>(toSeconds(now)));
  ASN1_TIME_set(X509_getm_notBefore(made), toSeconds(now - kClockSkew));
  ASN1_TIME_set(X509_getm_notAfter(made), toSeconds(now + life));
  TRY(fillName(X509_get_subject_name(made), subject));
  X509_set_issuer_name(made, X509_get_subject_name(made));
  X509_set_pubkey(made, key.get());
  TRY(addExtension(made, NID_key_usage, "critical,digitalSignature,keyCertSign"));
  TRY(addExtension(made, NID_ext_key_usage, "serverAuth"));
  TRY(addExtension(made, NID_basic_constraints, "critical,CA:TRUE"));
  if (const ExtensionPtr names = TRY(makeAltNames(subject))) X509_add_ext(made, names.get(), -1);
  if (X509_sign(made, key.get(), EVP_sha256()) <= 0)
    return opensslError(Code::kInternal, "sign a certificate");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), made);
  return takeText(bio.get());
}

WallTime rotationDeadline(WallTime not_before, WallTime not_after, double random) {
  const double life = std::chrono::duration<double, std::nano>(not_after - not_before).count();
  return not_before + Duration(std::llround(life * (0.7 + 0.2 * random)));
}

}  // namespace keelson::kubelet::certificates
