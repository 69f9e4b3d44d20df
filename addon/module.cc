#include <napi.h>

#include "attributes.h"
#include "caller_listener.h"
#include "change_watch.h"
#include "descriptors.h"
#include "event_counter.h"
#include "files.h"
#include "local_stream.h"
#include "own_sockets.h"
#include "pidfds.h"
#include "seen_files.h"
#include "shim_start.h"
#include "socket.h"
#include "terminal.h"
#include "tree_files.h"

namespace {

// The export table; lib/native/binding.ts has the types.
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new nacelle::Descriptors);  // deleted when the environment ends
  exports.Set("version", Napi::String::New(env, NACELLE_VERSION));
  exports.Set("Socket", nacelle::Socket::Define(env));
  exports.Set("EventCounter", nacelle::EventCounter::Define(env));
  exports.Set("CallerListener", nacelle::CallerListener::Define(env));
  exports.Set("socketPair", Napi::Function::New<nacelle::SocketPair>(env, "socketPair"));
  exports.Set("ChangeWatch", nacelle::ChangeWatch::Define(env));
  exports.Set("Terminal", nacelle::Terminal::Define(env));
  exports.Set("enterRawMode", Napi::Function::New<nacelle::EnterRawMode>(env, "enterRawMode"));
  exports.Set("restoreMode", Napi::Function::New<nacelle::RestoreMode>(env, "restoreMode"));
  exports.Set("pipe", Napi::Function::New<nacelle::Pipe>(env, "pipe"));
  exports.Set("copyShim", Napi::Function::New<nacelle::CopyShim>(env, "copyShim"));
  exports.Set("startShim", Napi::Function::New<nacelle::StartShim>(env, "startShim"));
  exports.Set("endShim", Napi::Function::New<nacelle::EndShim>(env, "endShim"));
  exports.Set("closeDescriptor", Napi::Function::New<nacelle::CloseDescriptor>(env, "closeDescriptor"));
  exports.Set("duplicateDescriptor", Napi::Function::New<nacelle::DuplicateDescriptor>(env, "duplicateDescriptor"));
  exports.Set("tryLock", Napi::Function::New<nacelle::TryLock>(env, "tryLock"));
  exports.Set("readFiles", Napi::Function::New<nacelle::ReadFiles>(env, "readFiles"));
  exports.Set("areAsSeen", Napi::Function::New<nacelle::AreAsSeen>(env, "areAsSeen"));
  exports.Set("fileAttributes", Napi::Function::New<nacelle::FileAttributes>(env, "fileAttributes"));
  exports.Set("listFolder", Napi::Function::New<nacelle::ListFolder>(env, "listFolder"));
  exports.Set("readContents", Napi::Function::New<nacelle::ReadContents>(env, "readContents"));
  exports.Set("connectLocal", Napi::Function::New<nacelle::ConnectLocal>(env, "connectLocal"));
  exports.Set("releaseDescriptor", Napi::Function::New<nacelle::ReleaseDescriptor>(env, "releaseDescriptor"));
  exports.Set("isOwnSocket", Napi::Function::New<nacelle::IsOwnSocket>(env, "isOwnSocket"));
  exports.Set("namespaceIoctl", Napi::Function::New<nacelle::NamespaceIoctl>(env, "namespaceIoctl"));
  exports.Set("openProcess", Napi::Function::New<nacelle::OpenProcess>(env, "openProcess"));
  exports.Set("signalProcess", Napi::Function::New<nacelle::SignalProcess>(env, "signalProcess"));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
