#pragma once

#include <cerrno>
#include <string>
#include <string_view>

namespace nacelle {

// The errno for whatever exceeds a limit: no system call of unpacking fails with it.
constexpr int kBeyondLimit = EDOM;

// The errno for an owner whom the user namespace doesn't have, as the kernel itself has it when such a file is to be made.
constexpr int kNobodys = EOVERFLOW;

// Why a piece of work failed, in words; the errno is its return value.
struct Failure {
  char text[512] = "";
};

// Writes the words and gives -error back. A text that is too long is cut.
[[gnu::format(printf, 3, 4)]] int fail(Failure& why, int error, const char* format, ...);

// Bytes of a hostile name, fit for a message: control characters and bytes above ASCII as \xNN, cut in the middle when long.
std::string shown(std::string_view bytes);

}  // namespace nacelle
