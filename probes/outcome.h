// What one look at a container's health gave.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace keelson::probes {

enum class Verdict {
  kSuccess,
  kWarning,  // a success with something to tell: a redirect to another host
  kFailure,
  kError,  // the probe itself could not be made: it counts as nothing
};

inline constexpr size_t kMaxOutput = 10 * 1024;  // of a command or a body, as Kubernetes keeps of it

struct Outcome {
  Verdict verdict = Verdict::kSuccess;
  std::string text;  // the message for the event, in the words of Kubernetes; "" for a plain success
  std::optional<int32_t> code{};  // the command's exit code or the answer's status, where it was a failure
};

// A probe under way. Destroying it (on the loop) ends it: `done` does not run after that.
class Attempt {
 public:
  virtual ~Attempt() = default;
};
using AttemptPtr = std::unique_ptr<Attempt>;

// Runs once, on the loop, never from inside the call that started the attempt. It may destroy the attempt.
using Done = std::function<void(Outcome)>;

}  // namespace keelson::probes
