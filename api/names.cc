#include "api/names.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/ip.h"

namespace keelson::api {
namespace {

constexpr std::string_view kDnsLabelFormat = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kQualifiedNameFormat = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLowerOrDigit(char c) { return isLower(c) || isDigit(c); }
bool isLetterOrDigit(char c) { return isLowerOrDigit(c) || (c >= 'A' && c <= 'Z'); }

// Both ends satisfy `edge`, everything between `edge` or one of `inner`; not empty.
template <class Edge>
bool isEdged(std::string_view value, Edge edge, std::string_view inner) {
  if (value.empty() || !edge(value.front()) || !edge(value.back())) return false;
  return std::all_of(value.begin(), value.end(),
                     [&](char c) { return edge(c) || inner.find(c) != std::string_view::npos; });
}

bool isDnsLabel(std::string_view value) { return isEdged(value, isLowerOrDigit, "-"); }

// Labels joined by dots.
template <class Label>
bool isDotted(std::string_view value, Label isLabel) {
  while (true) {
    const size_t dot = value.find('.');
    if (!isLabel(value.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    value.remove_prefix(dot + 1);
  }
}

// "(e.g. 'a',  or 'b', regex used for validation is '...')", with Kubernetes' own spacing.
std::string withExamples(std::string_view message, std::initializer_list<std::string_view> examples,
                         std::string_view format) {
  std::string out(message);
  out += " (e.g. ";
  bool first = true;
  for (std::string_view example : examples) {
    if (!first) out += " or ";
    first = false;
    out += fmt::format("'{}', ", example);
  }
  return out + fmt::format("regex used for validation is '{}')", format);
}

void requireLength(NameErrors& errors, std::string_view value, size_t limit) {
  if (value.size() > limit) errors.push_back(fmt::format("must be no more than {} bytes", limit));
}

}  // namespace

NameErrors checkDnsLabel(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsLabelBytes);
  if (!isDnsLabel(value)) {
    errors.push_back(
        withExamples("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                     "and must start and "
                     "end with an alphanumeric character",
                     {"my-name", "123-abc"}, kDnsLabelFormat));
  }
  return errors;
}

NameErrors checkDns1035Label(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsLabelBytes);
  if (!isDnsLabel(value) || !isLower(value.front())) {
    errors.push_back(
        withExamples("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
                     "an alphabetic "
                     "character, and end with an alphanumeric character",
                     {"my-name", "abc-123"}, "[a-z]([-a-z0-9]*[a-z0-9])?"));
  }
  return errors;
}

NameErrors checkDnsSubdomain(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsSubdomainBytes);
  if (!isDotted(value, isDnsLabel)) {
    errors.push_back(
        withExamples("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
                     "or '.', and must "
                     "start and end with an alphanumeric character",
                     {"example.com"}, fmt::format("{}(\\.{})*", kDnsLabelFormat, kDnsLabelFormat)));
  }
  return errors;
}

NameErrors checkDnsSearch(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsSubdomainBytes);
  const auto isLabel = [](std::string_view label) {
    const auto edge = [](char c) { return isLowerOrDigit(c) || c == '_'; };
    return !label.empty() && isLowerOrDigit(label.back()) && isEdged(label, edge, "-");
  };
  if (!isDotted(value, isLabel)) {
    constexpr std::string_view kFormat = "[a-z0-9_]([-_a-z0-9]*[a-z0-9])?";
    errors.push_back(
        withExamples("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
                     "'-', '_' or '.', and "
                     "must start and end with an alphanumeric character",
                     {"example.com"}, fmt::format("{}(\\.{})*", kFormat, kFormat)));
  }
  return errors;
}

NameErrors checkQualifiedName(std::string_view value) {
  NameErrors errors;
  std::string_view name = value;
  const size_t slash = value.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = value.substr(0, slash);
    name = value.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      errors.push_back(
          withExamples(
              "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start "
              "and end with an alphanumeric character",
              {"MyName", "my.name", "123-abc"}, kQualifiedNameFormat) +
          " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
      return errors;
    }
    if (prefix.empty()) {
      errors.emplace_back("prefix part must be non-empty");
    } else {
      for (const auto& error : checkDnsSubdomain(prefix)) errors.push_back("prefix part " + error);
    }
  }
  if (name.empty()) {
    errors.emplace_back("name part must be non-empty");
  } else if (name.size() > kMaxDnsLabelBytes) {
    errors.push_back(fmt::format("name part must be no more than {} bytes", kMaxDnsLabelBytes));
  }
  if (!isEdged(name, isLetterOrDigit, "-_.")) {
    errors.push_back(
        "name part " +
        withExamples(
            "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character",
            {"MyName", "my.name", "123-abc"}, kQualifiedNameFormat));
  }
  return errors;
}

NameErrors checkLabelValue(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsLabelBytes);
  if (!value.empty() && !isEdged(value, isLetterOrDigit, "-_.")) {
    errors.push_back(
        withExamples("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
                     "or '.', and must "
                     "start and end with an alphanumeric character",
                     {"MyValue", "my_value", "12345"}, fmt::format("({})?", kQualifiedNameFormat)));
  }
  return errors;
}

NameErrors checkEnvVarName(std::string_view value) {
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~' && c != '='; });
  if (value.empty()) return {"environment variable name must be non-empty"};
  if (!printable) {
    return {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"};
  }
  return {};
}

NameErrors checkConfigMapKey(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, kMaxDnsSubdomainBytes);
  const auto allowed = [](char c) { return isLetterOrDigit(c) || c == '-' || c == '.' || c == '_'; };
  if (value.empty() || !std::all_of(value.begin(), value.end(), allowed)) {
    errors.push_back(
        withExamples("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                     {"key.name", "KEY_NAME", "key-name"}, "[-._a-zA-Z0-9]+"));
  }
  if (value == ".") {
    errors.emplace_back("must not be '.'");
  } else if (value == "..") {
    errors.emplace_back("must not be '..'");
  } else if (value.starts_with("..")) {
    errors.emplace_back("must not start with '..'");
  }
  return errors;
}

NameErrors checkHttpHeaderName(std::string_view value) {
  const auto allowed = [](char c) { return isLetterOrDigit(c) || c == '-'; };
  if (!value.empty() && std::all_of(value.begin(), value.end(), allowed)) return {};
  return {withExamples("a valid HTTP header must consist of alphanumeric characters or '-'",
                       {"X-Header-Name"}, "[-A-Za-z0-9]+")};
}

NameErrors checkPortName(std::string_view value) {
  NameErrors errors;
  requireLength(errors, value, 15);
  const auto allowed = [](char c) { return isLowerOrDigit(c) || c == '-'; };
  if (value.empty() || !std::all_of(value.begin(), value.end(), allowed)) {
    errors.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(value.begin(), value.end(), isLower)) {
    errors.emplace_back("must contain at least one letter (a-z)");
  }
  if (value.find("--") != std::string_view::npos) errors.emplace_back("must not contain consecutive hyphens");
  if (!value.empty() && (value.front() == '-' || value.back() == '-')) {
    errors.emplace_back("must not begin or end with a hyphen");
  }
  return errors;
}

NameErrors checkPortNumber(int64_t value) { return checkRange(value, 1, 65535); }

NameErrors checkRange(int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return {fmt::format("must be between {} and {}, inclusive", low, high)};
}

NameErrors checkIp(std::string_view value) {
  if (IpAddress::parse(value)) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

// ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?
bool isSysctlName(std::string_view value) {
  if (value.size() > kMaxDnsSubdomainBytes) return false;
  std::string dotted(value);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  return isDotted(dotted, [](std::string_view segment) { return isEdged(segment, isLowerOrDigit, "-_"); });
}

}  // namespace keelson::api
