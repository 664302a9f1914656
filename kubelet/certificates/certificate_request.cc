#include "kubelet/certificates/certificate_request.h"

#include <algorithm>

#include "api/base64.h"
#include "kubelet/certificates/openssl.h"
#include "kubelet/certificates/subject_names.h"

namespace keelson::kubelet::certificates {
namespace {

void freeNames(GENERAL_NAMES* names) { sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free); }
void freeExtensions(STACK_OF(X509_EXTENSION) * list) {
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

bool addEntry(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

void addAltName(GENERAL_NAMES* names, int type, std::string_view bytes) {
  ASN1_STRING* const text = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size()));
  GENERAL_NAME* const name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, type, text);
  sk_GENERAL_NAME_push(names, name);
}

// base64.RawURLEncoding of Go.
std::string urlBase64(std::string_view bytes) {
  std::string text = api::encodeBase64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

CertificateSubject clientSubject(const std::string& node_name) {
  return {"system:node:" + node_name, {"system:nodes"}, {}, {}};
}

CertificateSubject servingSubject(const std::string& node_name, std::vector<std::string> dns_names,
                                  std::vector<IpAddress> ip_addresses) {
  CertificateSubject subject = clientSubject(node_name);
  subject.dns_names = std::move(dns_names);
  subject.ip_addresses = std::move(ip_addresses);
  std::sort(subject.dns_names.begin(), subject.dns_names.end());
  std::sort(subject.ip_addresses.begin(), subject.ip_addresses.end());
  return subject;
}

std::vector<std::string> clientUsages() { return {"digital signature", "client auth"}; }
std::vector<std::string> servingUsages() { return {"digital signature", "server auth"}; }

Result<void> fillName(X509_NAME* name, const CertificateSubject& subject) {
  bool good = true;
  for (const std::string& organization : subject.organizations)
    good = good && addEntry(name, "O", organization);
  good = good && addEntry(name, "CN", subject.common_name);
  if (!good) return opensslError(Code::kInvalidArgument, "subject " + subject.common_name);
  return {};
}

Result<ExtensionPtr> makeAltNames(const CertificateSubject& subject) {
  if (subject.dns_names.empty() && subject.ip_addresses.empty()) return ExtensionPtr();
  const std::unique_ptr<GENERAL_NAMES, Freed<freeNames>> names(sk_GENERAL_NAME_new_null());
  for (const std::string& dns : subject.dns_names) addAltName(names.get(), GEN_DNS, dns);
  for (const IpAddress& ip : subject.ip_addresses)
    addAltName(names.get(), GEN_IPADD, {reinterpret_cast<const char*>(ip.bytes.data()), ip.size()});
  ExtensionPtr extension(X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()));
  if (!extension) return opensslError(Code::kInternal, "subjectAltName");
  return extension;
}

Result<std::string> buildCsr(const PrivateKey& key, const CertificateSubject& subject) {
  const X509ReqPtr request(X509_REQ_new());
  TRY(fillName(X509_REQ_get_subject_name(request.get()), subject));
  X509_REQ_set_pubkey(request.get(), key.get());
  if (ExtensionPtr names = TRY(makeAltNames(subject))) {
    const std::unique_ptr<STACK_OF(X509_EXTENSION), Freed<freeExtensions>> list(sk_X509_EXTENSION_new_null());
    sk_X509_EXTENSION_push(list.get(), names.release());
    if (X509_REQ_add_extensions(request.get(), list.get()) != 1)
      return opensslError(Code::kInternal, "certificate request");
  }
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0)
    return opensslError(Code::kInternal, "sign the certificate request");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return takeText(bio.get());
}

Result<std::string> csrPublicDer(std::string_view pem) {
  const X509ReqPtr request(PEM_read_bio_X509_REQ(readBio(pem).get(), nullptr, nullptr, nullptr));
  if (!request) return opensslError(Code::kInvalidArgument, "expected a certificate request in PEM");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1)
    return opensslError(Code::kInvalidArgument, "the signature of the certificate request is wrong");
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(std::max(size, 0)));
  OPENSSL_free(der);
  return out;
}

std::string csrName(const PrivateKey& key, const CertificateSubject& subject,
                    const std::vector<std::string>& usages) {
  std::string stream = urlBase64(key.publicDer()) + '|' + urlBase64(subject.common_name) + '|';
  for (const std::string& each : subject.organizations) stream += urlBase64(each) + '|';
  for (const std::string& each : usages) stream += urlBase64(each) + '|';
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(stream.data(), stream.size(), digest, &size, EVP_sha512_256(), nullptr);
  return "node-csr-" + urlBase64({reinterpret_cast<const char*>(digest), size});
}

}  // namespace keelson::kubelet::certificates
