// A reference to a whole object or, with a field path, to a part of it.
#pragma once

#include <string>

namespace keelson::api {

// A plain value. Any thread.
struct ObjectReference {
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string uid;
  std::string api_version;
  std::string resource_version;
  std::string field_path;  // "spec.containers{web}"
  bool operator==(const ObjectReference&) const = default;
};

}  // namespace keelson::api
