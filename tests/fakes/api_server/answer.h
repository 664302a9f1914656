// What the stand-in API server answers, failures in upstream's words.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace keelson::fakes {

struct Answer {
  int code = 200;
  json::value body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// "pods" or "leases.coordination.k8s.io", as in messages; `group` and `plural` go into Status.details.
struct ResourceName {
  std::string group, plural, kind;
  std::string str() const { return group.empty() ? plural : plural + "." + group; }
  std::string kindStr() const { return group.empty() ? kind : kind + "." + group; }
};

// One finding of a validation: the cause of a 422.
struct FieldCause {
  std::string type;  // FieldValueInvalid, FieldValueForbidden, FieldValueRequired, ...
  std::string field, message;
};

// The metav1.Status objects of k8s.io/apimachinery/pkg/api/errors.
Answer statusFailure(int code, std::string_view reason, std::string_view message, json::object details = {});
Answer notFound(const ResourceName& resource, std::string_view name);
Answer pathNotFound();  // "the server could not find the requested resource"
Answer alreadyExists(const ResourceName& resource, std::string_view name);
Answer conflict(const ResourceName& resource, std::string_view name, std::string_view why);
Answer modifiedConflict(const ResourceName& resource, std::string_view name);
Answer invalid(const ResourceName& resource, std::string_view name, const std::vector<FieldCause>& causes);
// A patch that is fine JSON, but makes no object of the kind; `patch` as upstream prints it.
Answer invalidPatch(std::string_view patch, std::string_view why);
Answer badRequest(std::string_view message);
Answer forbidden(const ResourceName& resource, std::string_view name, std::string_view why);
Answer unauthorized();
Answer expired(std::string_view message);
Answer methodNotAllowed(const ResourceName& resource, std::string_view action);
Answer unsupportedMediaType(std::string_view type);
Answer internalError(std::string_view why);
Answer tooManyRequests(int retry_after_seconds);
// {"kind": "Status", "status": "Success"} of a binding or an eviction.
Answer createdStatus();
// {"kind": "Status", "status": "Success"} of a deletion.
Answer deleted(const ResourceName& resource, std::string_view name, std::string_view uid);

// A T or a failed Answer: Result's shape, so that TRY works with it.
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Outcome(Answer failure) : state_(std::in_place_index<1>, std::move(failure)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  T value() && { return std::get<0>(std::move(state_)); }
  const Answer& error() const& { return std::get<1>(state_); }
  Answer error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Answer> state_;
};

template <>
class [[nodiscard]] Outcome<void> {
 public:
  Outcome() = default;
  Outcome(Answer failure) : failure_(std::move(failure)), failed_(true) {}
  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  void value() const {}
  const Answer& error() const& { return failure_; }
  Answer error() && { return std::move(failure_); }

 private:
  Answer failure_;
  bool failed_ = false;
};

}  // namespace keelson::fakes
