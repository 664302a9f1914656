// What a node asks to have certified, as a PKCS #10 request. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "kubelet/certificates/private_key.h"

namespace keelson::kubelet::certificates {

// https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
inline constexpr char kClientSigner[] = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr char kServingSigner[] = "kubernetes.io/kubelet-serving";

struct CertificateSubject {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<IpAddress> ip_addresses;
  bool operator==(const CertificateSubject&) const = default;
};

// CN=system:node:<name>, O=system:nodes. `dns_names` and `ip_addresses` are sorted.
CertificateSubject clientSubject(const std::string& node_name);
CertificateSubject servingSubject(const std::string& node_name, std::vector<std::string> dns_names,
                                  std::vector<IpAddress> ip_addresses);
// "digital signature" and "client auth" or "server auth": an ECDSA key enciphers no keys.
std::vector<std::string> clientUsages();
std::vector<std::string> servingUsages();

// PEM, signed with SHA-256.
Result<std::string> buildCsr(const PrivateKey& key, const CertificateSubject& subject);
// The public key of a PEM request whose own signature is right, as SubjectPublicKeyInfo.
Result<std::string> csrPublicDer(std::string_view pem);

// "node-csr-<digest of key, subject and usages>", the same for the same node asking again, as upstream's
// digestedName.
std::string csrName(const PrivateKey& key, const CertificateSubject& subject,
                    const std::vector<std::string>& usages);

}  // namespace keelson::kubelet::certificates
