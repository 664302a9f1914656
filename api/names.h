// The syntax of Kubernetes names. Each check returns what is wrong, in the words of the API server
// (k8s.io/apimachinery/pkg/util/validation); empty means valid. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

using NameErrors = std::vector<std::string>;

inline constexpr size_t kMaxDnsLabelBytes = 63;
inline constexpr size_t kMaxDnsSubdomainBytes = 253;

NameErrors checkDnsLabel(std::string_view value);       // RFC 1123: containers, volumes, namespaces
NameErrors checkDns1035Label(std::string_view value);   // starts with a letter: services
NameErrors checkDnsSubdomain(std::string_view value);   // RFC 1123: pods, most other objects
NameErrors checkDnsSearch(std::string_view value);      // as a subdomain, with underscores
NameErrors checkQualifiedName(std::string_view value);  // [prefix/]name: label keys, resources
NameErrors checkLabelValue(std::string_view value);
NameErrors checkEnvVarName(std::string_view value);  // the relaxed rule of Kubernetes 1.34: no "="
NameErrors checkConfigMapKey(std::string_view value);
NameErrors checkHttpHeaderName(std::string_view value);
NameErrors checkPortName(std::string_view value);  // IANA_SVC_NAME of RFC 6335
NameErrors checkPortNumber(int64_t value);
NameErrors checkRange(int64_t value, int64_t low, int64_t high);
NameErrors checkIp(std::string_view value);
bool isSysctlName(std::string_view value);

}  // namespace keelson::api
