#include <napi.h>

#include "descriptors.h"
#include "shim/protocol.h"
#include "socket.h"

namespace {

// The export table; lib/native/binding.ts has the types.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("protocolVersion", Napi::Number::New(env, nacelle::kProtocolVersion));
  exports.Set("Socket", nacelle::Socket::Define(env));
  exports.Set("pipe", Napi::Function::New<nacelle::Pipe>(env, "pipe"));
  exports.Set("namespaceIoctl", Napi::Function::New<nacelle::NamespaceIoctl>(env, "namespaceIoctl"));
  exports.Set("readAvailable", Napi::Function::New<nacelle::ReadAvailable>(env, "readAvailable"));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
