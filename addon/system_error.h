#pragma once

#include <napi.h>

#include <string>

namespace nacelle {

// Throws an error of a system call in JavaScript, which reads the number. `what` says what was tried.
inline void throw_error(Napi::Env env, const std::string& what, int result) {
  Napi::Error error = Napi::Error::New(env, what);
  error.Set("errno", Napi::Number::New(env, -result));
  error.ThrowAsJavaScriptException();
}

}  // namespace nacelle
