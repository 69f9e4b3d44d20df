#include "signal_number.h"

#include <signal.h>

#include <cstdint>
#include <string>

#include "lines.h"

namespace nacelle {
namespace {

struct Named {
  std::string_view name;
  int number;
};
constexpr Named kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"TRAP", SIGTRAP},   {"ABRT", SIGABRT},
    {"BUS", SIGBUS},   {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},   {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT},   {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ},
    {"PROF", SIGPROF}, {"IO", SIGIO},     {"PWR", SIGPWR},   {"SYS", SIGSYS},   {"WINCH", SIGWINCH}, {"VTALRM", SIGVTALRM},
};
constexpr int kFirstRealTime = 34, kLast = 64;

// A number of digits after `first`, where that is a signal, or none at all.
int counted_from(int first, std::string_view digits) {
  uint64_t number = 0;
  if (!read_number(digits, number) || number > kLast) return -1;
  const int signal = first + static_cast<int>(number);
  return signal <= kLast ? signal : -1;
}

}  // namespace

int signal_number(std::string_view text) {
  std::string upper;
  for (const char c : text) upper.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  std::string_view name = upper;
  if (name.substr(0, 3) == "SIG") name.remove_prefix(3);
  for (const Named& known : kSignals) {
    if (known.name == name) return known.number;
  }
  if (name == "RTMIN") return kFirstRealTime;
  constexpr std::string_view kRealTime = "RTMIN+";
  if (name.substr(0, kRealTime.size()) == kRealTime) return counted_from(kFirstRealTime, name.substr(kRealTime.size()));
  return counted_from(0, text);
}

}  // namespace nacelle
