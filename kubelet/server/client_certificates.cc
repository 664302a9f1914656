#include "kubelet/server/client_certificates.h"

#include "kubelet/server/openssl.h"

namespace keelson::kubelet::server {
namespace {

constexpr size_t kMaxChain = 16;
constexpr int kMaxDepth = 10;

using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

Result<std::vector<X509Ptr>> decodeChain(const std::vector<std::string>& chain) {
  if (chain.empty() || chain.size() > kMaxChain)
    return makeError(Code::kPermissionDenied, "client certificate: a chain of {}", chain.size());
  std::vector<X509Ptr> decoded;
  for (const std::string& der : chain) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    X509Ptr certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!certificate) return opensslError(Code::kPermissionDenied, "client certificate");
    decoded.push_back(std::move(certificate));
  }
  return decoded;
}

std::vector<std::string> subjectParts(X509* certificate, int nid) {
  std::vector<std::string> parts;
  X509_NAME* name = ::X509_get_subject_name(certificate);
  for (int at = -1; (at = ::X509_NAME_get_index_by_NID(name, nid, at)) >= 0;) {
    unsigned char* text = nullptr;
    const int size =
        ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, at)));
    if (size >= 0) parts.emplace_back(reinterpret_cast<char*>(text), static_cast<size_t>(size));
    ::OPENSSL_free(text);
  }
  return parts;
}

}  // namespace

Result<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::parse(const std::string& pem) {
  auto certificates = TRY(readPemCertificates(pem));
  auto made = std::make_shared<ClientAuthorities>();
  made->store_ = std::shared_ptr<X509_STORE>(::X509_STORE_new(), ::X509_STORE_free);
  for (const auto& certificate : certificates) {
    if (::X509_STORE_add_cert(made->store_.get(), certificate.get()) != 1)
      return opensslError(Code::kInvalidArgument, "client CA");
  }
  return std::shared_ptr<const ClientAuthorities>(std::move(made));
}

Result<Identity> ClientAuthorities::identify(const std::vector<std::string>& chain, WallTime now) const {
  const auto certificates = TRY(decodeChain(chain));
  const std::unique_ptr<STACK_OF(X509), FreeStack> others(sk_X509_new_null());
  for (size_t i = 1; i < certificates.size(); ++i) sk_X509_push(others.get(), certificates[i].get());
  X509* leaf = certificates.front().get();
  const StoreContextPtr context(::X509_STORE_CTX_new());
  if (!context || !others || ::X509_STORE_CTX_init(context.get(), store_.get(), leaf, others.get()) != 1)
    return opensslError(Code::kInternal, "client certificate");
  X509_VERIFY_PARAM* rules = ::X509_STORE_CTX_get0_param(context.get());
  ::X509_VERIFY_PARAM_set_time(rules,
                               std::chrono::system_clock::to_time_t(
                                   std::chrono::time_point_cast<std::chrono::system_clock::duration>(now)));
  ::X509_VERIFY_PARAM_set_depth(rules, kMaxDepth);
  // An authority of the file need not be self-signed, as in Go.
  ::X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  ::X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT);
  if (::X509_verify_cert(context.get()) != 1)
    return makeError(Code::kPermissionDenied, "client certificate: {}",
                     ::X509_verify_cert_error_string(::X509_STORE_CTX_get_error(context.get())));
  const auto names = subjectParts(leaf, NID_commonName);
  if (names.empty() || names.back().empty())
    return makeError(Code::kPermissionDenied, "client certificate: it has no common name");
  return Identity{names.back(), "", subjectParts(leaf, NID_organizationName), {}};
}

}  // namespace keelson::kubelet::server
