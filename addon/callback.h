#pragma once

#include <napi.h>

#include <cstddef>

namespace nacelle {

// Calls a listener from the event loop, with Node-API itself: its C++ wrapper makes an Error of every failure, and ends the process where
// that fails too. False when the environment takes no calls any more.
inline bool call_back(napi_env env, napi_value receiver, napi_value listener, size_t count, const napi_value* arguments) {
  if (napi_make_callback(env, nullptr, receiver, listener, count, arguments, nullptr) == napi_ok) return true;
  napi_value thrown = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return false;
  if (napi_get_and_clear_last_exception(env, &thrown) != napi_ok) return false;
  // no JavaScript on the stack could catch this, so it is an uncaught exception, as in any other callback of the event loop
  return napi_fatal_exception(env, thrown) == napi_ok;
}

}  // namespace nacelle
