// Label and field selectors of list and watch requests. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/selector.h"
#include "base/json.h"
#include "tests/fakes/api_server/answer.h"

namespace keelson::fakes {

struct FieldRequirement {
  std::string field, value;
  bool equal = true;
};

// What a list or watch shows. Empty selectors match all.
struct Filter {
  std::string name_space;  // "": all
  api::LabelSelector labels;
  std::vector<FieldRequirement> fields;
  bool matches(const json::object& object) const;
};

// "a=b,c!=d,e in (x,y),!f" and "spec.nodeName=n1,status.phase!=Failed". 400 in upstream's words for bad
// syntax and for a field that this resource does not select by.
Outcome<api::LabelSelector> parseLabelSelector(std::string_view text);
Outcome<std::vector<FieldRequirement>> parseFieldSelector(std::string_view text,
                                                          const ResourceName& resource);

}  // namespace keelson::fakes
