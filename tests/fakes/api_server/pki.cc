#include "tests/fakes/api_server/pki.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "api/base64.h"
#include "base/fs.h"

namespace keelson::fakes {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

Error sslError(std::string_view what) {
  char text[256] = "";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return makeError(Code::kInvalidArgument, "{}: {}", what, text);
}

Bio readBio(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string certificatePem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return drain(bio.get());
}

std::string keyPem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return drain(bio.get());
}

Result<Key> newKey() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) return sslError("make a P-256 key");
  return key;
}

Result<Key> readKey(std::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(readBio(pem).get(), nullptr, nullptr, nullptr));
  if (!key) return sslError("read a key");
  return key;
}

void setName(X509_NAME* name, const Subject& subject) {
  const auto add = [&](const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
  };
  for (const auto& organization : subject.organizations) add("O", organization);
  add("CN", subject.common_name);
}

Subject nameOf(const X509_NAME* name) {
  Subject subject;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const auto* entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (size < 0) continue;
    std::string value(reinterpret_cast<char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
    if (nid == NID_commonName)
      subject.common_name = std::move(value);
    else if (nid == NID_organizationName)
      subject.organizations.push_back(std::move(value));
  }
  return subject;
}

void readAlternativeNames(const GENERAL_NAMES* names, Subject& subject) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) {
      subject.dns_names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                                     static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4) {
      const auto* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      subject.addresses.push_back(fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]));
    }
  }
}

bool extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added == 1;
}

struct Issue {
  X509_NAME* issuer_name;
  X509* issuer;  // null: signs itself
  EVP_PKEY* issuer_key;
  EVP_PKEY* key;
  WallTime now;
  Duration life;
};

Result<Certificate> build(const Subject& subject, const Issue& issue,
                          const std::vector<std::pair<int, std::string>>& extensions) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  // Five minutes early, as upstream's signers do for clocks that differ.
  const time_t now = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(issue.now));
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), now - 300);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                now + std::chrono::duration_cast<std::chrono::seconds>(issue.life).count());
  setName(X509_get_subject_name(certificate.get()), subject);
  X509_set_issuer_name(certificate.get(), issue.issuer_name != nullptr
                                              ? issue.issuer_name
                                              : X509_get_subject_name(certificate.get()));
  X509_set_pubkey(certificate.get(), issue.key);
  X509* issuer = issue.issuer != nullptr ? issue.issuer : certificate.get();
  for (const auto& [nid, value] : extensions) {
    if (!extend(certificate.get(), issuer, nid, value)) return sslError("certificate extension " + value);
  }
  if (X509_sign(certificate.get(), issue.issuer_key, EVP_sha256()) == 0)
    return sslError("sign a certificate");
  return certificate;
}

std::vector<std::pair<int, std::string>> leafExtensions(const Subject& subject, Pki::Use use) {
  std::vector<std::pair<int, std::string>> all = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, use == Pki::Use::kServer ? "serverAuth" : "clientAuth"},
      {NID_authority_key_identifier, "keyid"}};
  std::string names;
  for (const auto& name : subject.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const auto& address : subject.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
  if (!names.empty()) all.emplace_back(NID_subject_alt_name, names);
  return all;
}

std::string urlBase64(std::string_view bytes) {
  auto text = api::encodeBase64(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::optional<std::string> fromUrlBase64(std::string text) {
  for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text += '=';
  return api::decodeBase64(text);
}

constexpr size_t kMaxPem = 64 << 10;
constexpr int kHalf = 32;  // of an ES256 signature

Result<std::string> rawSignature(EVP_PKEY* key, std::string_view text) {
  const Digest digest(EVP_MD_CTX_new());
  size_t size = 256;
  unsigned char der[256];
  if (EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(digest.get(), der, &size, reinterpret_cast<const unsigned char*>(text.data()),
                     text.size()) != 1)
    return sslError("sign a token");
  const unsigned char* at = der;
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  if (!signature) return sslError("read a signature");
  std::string raw(2 * kHalf, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kHalf);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kHalf, kHalf);
  return raw;
}

bool verifies(EVP_PKEY* key, std::string_view text, const std::string& raw) {
  if (raw.size() != 2 * kHalf) return false;
  const auto* in = reinterpret_cast<const unsigned char*>(raw.data());
  const Signature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(in, kHalf, nullptr), BN_bin2bn(in + kHalf, kHalf, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return false;
  const Digest digest(EVP_MD_CTX_new());
  const bool good = EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(digest.get(), der, static_cast<size_t>(size),
                                     reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  OPENSSL_free(der);
  ERR_clear_error();
  return good;
}

Result<Request> parseRequest(std::string_view pem) {
  Request request(PEM_read_bio_X509_REQ(readBio(pem).get(), nullptr, nullptr, nullptr));
  if (!request) return sslError("read a certificate request");
  if (X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1)
    return sslError("the request's own signature");
  return request;
}

Subject subjectOf(X509_REQ* request) {
  auto subject = nameOf(X509_REQ_get_subject_name(request));
  auto* extensions = X509_REQ_get_extensions(request);
  if (auto* names =
          static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr))) {
    readAlternativeNames(names, subject);
    GENERAL_NAMES_free(names);
  }
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return subject;
}

}  // namespace

struct Pki::Impl {
  Certificate ca;
  Key ca_key, token_key;
  std::string ca_pem;
};

Pki::Pki(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pki::~Pki() = default;
const std::string& Pki::caPem() const { return impl_->ca_pem; }

Result<std::shared_ptr<const Pki>> Pki::create(const Clock& clock) {
  auto impl = std::make_unique<Impl>();
  impl->ca_key = TRY(newKey());
  impl->token_key = TRY(newKey());
  const Issue own{
      nullptr, nullptr, impl->ca_key.get(), impl->ca_key.get(), clock.wall(), std::chrono::hours(24 * 365)};
  impl->ca = TRY(build({"kubernetes", {}, {}, {}}, own,
                       {{NID_basic_constraints, "critical,CA:TRUE"},
                        {NID_key_usage, "critical,digitalSignature,keyCertSign"},
                        {NID_subject_key_identifier, "hash"}}));
  impl->ca_pem = certificatePem(impl->ca.get());
  return std::shared_ptr<const Pki>(new Pki(std::move(impl)));
}

Result<std::shared_ptr<const Pki>> Pki::load(const std::string& folder) {
  auto impl = std::make_unique<Impl>();
  impl->ca_pem = TRY(readFile(folder + "/ca.crt", kMaxPem));
  impl->ca.reset(PEM_read_bio_X509(readBio(impl->ca_pem).get(), nullptr, nullptr, nullptr));
  if (!impl->ca) return sslError("read " + folder + "/ca.crt");
  impl->ca_key = TRY(readKey(TRY(readFile(folder + "/ca.key", kMaxPem))));
  impl->token_key = TRY(readKey(TRY(readFile(folder + "/sa.key", kMaxPem))));
  return std::shared_ptr<const Pki>(new Pki(std::move(impl)));
}

Result<void> Pki::save(const std::string& folder) const {
  TRY(writeFileAtomic(folder + "/ca.crt", impl_->ca_pem, 0644));
  TRY(writeFileAtomic(folder + "/ca.key", keyPem(impl_->ca_key.get()), 0600));
  return writeFileAtomic(folder + "/sa.key", keyPem(impl_->token_key.get()), 0600);
}

Result<KeyPair> Pki::issue(const Subject& subject, Use use, WallTime now, Duration life) const {
  const auto key = TRY(newKey());
  const Issue by{
      X509_get_subject_name(impl_->ca.get()), impl_->ca.get(), impl_->ca_key.get(), key.get(), now, life};
  const auto certificate = TRY(build(subject, by, leafExtensions(subject, use)));
  return KeyPair{certificatePem(certificate.get()), keyPem(key.get())};
}

Result<std::string> Pki::sign(std::string_view request_pem, Use use, WallTime now, Duration life) const {
  const auto request = TRY(parseRequest(request_pem));
  const auto subject = subjectOf(request.get());
  const Issue by{X509_get_subject_name(impl_->ca.get()),
                 impl_->ca.get(),
                 impl_->ca_key.get(),
                 X509_REQ_get0_pubkey(request.get()),
                 now,
                 life};
  return certificatePem(TRY(build(subject, by, leafExtensions(subject, use))).get());
}

Result<SigningRequest> Pki::readRequest(std::string_view request_pem) {
  const auto request = TRY(parseRequest(request_pem));
  return SigningRequest{subjectOf(request.get())};
}

Result<Subject> Pki::readSubject(std::string_view certificate_pem) {
  const Certificate certificate(PEM_read_bio_X509(readBio(certificate_pem).get(), nullptr, nullptr, nullptr));
  if (!certificate) return sslError("read a certificate");
  return nameOf(X509_get_subject_name(certificate.get()));
}

Result<std::string> Pki::signToken(const json::object& claims) const {
  const auto head =
      urlBase64(R"({"alg":"ES256","kid":"keelson-stand-in"})") + "." + urlBase64(json::serialize(claims));
  return head + "." + urlBase64(TRY(rawSignature(impl_->token_key.get(), head)));
}

Result<json::object> Pki::verifyToken(std::string_view token) const {
  const auto first = token.find('.'), last = token.rfind('.');
  if (first == token.npos || first == last) return makeError(Code::kInvalidArgument, "no JWT");
  const auto signature = fromUrlBase64(std::string(token.substr(last + 1)));
  if (!signature || !verifies(impl_->token_key.get(), token.substr(0, last), *signature))
    return makeError(Code::kPermissionDenied, "the token's signature is not ours");
  const auto payload = fromUrlBase64(std::string(token.substr(first + 1, last - first - 1)));
  if (!payload) return makeError(Code::kInvalidArgument, "the token's claims are no base64");
  auto claims = TRY(parseJson(*payload));
  if (!claims.is_object()) return makeError(Code::kInvalidArgument, "the token's claims are no object");
  return std::move(claims.get_object());
}

}  // namespace keelson::fakes
