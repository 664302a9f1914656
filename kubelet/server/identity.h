// Who a request comes from.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace keelson::kubelet::server {

inline constexpr char kAuthenticated[] = "system:authenticated";
inline constexpr char kUnauthenticated[] = "system:unauthenticated";
inline constexpr char kAnonymous[] = "system:anonymous";

// UserInfo of authentication.k8s.io/v1. A plain value.
struct Identity {
  std::string name, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
  bool operator==(const Identity&) const = default;
};

}  // namespace keelson::kubelet::server
