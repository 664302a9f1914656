// Every flag: its name, its form, and where its value goes. Included by flags*.cc and their tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/flags.h"

namespace keelson::agent {

enum class FlagForm {
  kText,
  kBool,        // --x, --x=true, --x=false
  kNumber,      // a whole number
  kDuration,    // 1m30s
  kList,        // a,b and again
  kPairs,       // a=b,c=d
  kThresholds,  // a<b,c<d
  kGates,       // A=true,B=false
  kTaints,      // key=value:Effect,...
};

enum class FlagTarget {
  kMember,    // of Flags
  kKubelet,   // a field of KubeletConfiguration ("authentication.anonymous.enabled")
  kKeelson,   // a field of KeelsonConfiguration
  kNoEffect,  // accepted: nothing here can act on it
};

struct FlagSpec {
  std::string_view name;
  FlagForm form;
  FlagTarget target;
  std::string_view field;  // of the document
  std::string_view help;
};

const std::vector<FlagSpec>& flagTable();

}  // namespace keelson::agent
