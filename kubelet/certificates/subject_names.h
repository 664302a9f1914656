// A subject's names in X.509 form: shared by requests and self-signed certificates of this folder.
#pragma once

#include "base/result.h"
#include "kubelet/certificates/certificate_request.h"
#include "kubelet/certificates/openssl.h"

namespace keelson::kubelet::certificates {

Result<void> fillName(X509_NAME* name, const CertificateSubject& subject);
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
// subjectAltName (RFC 5280, 4.2.1.6); null without names.
Result<ExtensionPtr> makeAltNames(const CertificateSubject& subject);

}  // namespace keelson::kubelet::certificates
