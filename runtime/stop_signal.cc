#include "runtime/stop_signal.h"

#include <signal.h>

#include <charconv>
#include <string>

namespace keelson::runtime {
namespace {

struct Name {
  std::string_view name;
  int number;
};

constexpr Name kNames[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGABRT},  {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"STKFLT", 16},    {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGIO},   {"PWR", SIGPWR},       {"SYS", SIGSYS},
};

// As the kernel numbers them. C libraries keep some of the first for themselves, so that SIGRTMIN is 34 to
// programs; images mean that one.
constexpr int kRealTimeMin = 34;
constexpr int kRealTimeMax = 64;

bool parseNumber(std::string_view text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

Result<int> parseSignal(std::string_view text) {
  const auto invalid = [&] { return makeError(Code::kInvalidArgument, "unknown signal \"{}\"", text); };
  int number = 0;
  if (parseNumber(text, number)) {
    if (number < 1 || number > kRealTimeMax) return invalid();
    return number;
  }
  std::string name(text);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name.rfind("SIG", 0) == 0) name.erase(0, 3);
  for (const auto& known : kNames) {
    if (known.name == name) return known.number;
  }
  const bool from_min = name.rfind("RTMIN", 0) == 0;
  if (!from_min && name.rfind("RTMAX", 0) != 0) return invalid();
  const std::string_view rest = std::string_view(name).substr(5);
  const int base = from_min ? kRealTimeMin : kRealTimeMax;
  if (rest.empty()) return base;
  int offset = 0;
  if (rest[0] != (from_min ? '+' : '-') || !parseNumber(rest.substr(1), offset)) return invalid();
  if (offset < 0 || offset > kRealTimeMax - kRealTimeMin) return invalid();
  return from_min ? base + offset : base - offset;
}

int stopSignal(std::string_view lifecycle_signal, std::string_view image_signal) {
  const std::string_view wanted = lifecycle_signal.empty() ? image_signal : lifecycle_signal;
  if (wanted.empty()) return SIGTERM;
  return parseSignal(wanted).valueOr(SIGTERM);
}

}  // namespace keelson::runtime
