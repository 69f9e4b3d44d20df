#include "terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "callback.h"
#include "descriptors.h"
#include "system_error.h"

namespace nacelle {
namespace {

// Calls read(2) or write(2) until no signal interrupts it.
template <typename Call>
Napi::Value transfer(const Napi::CallbackInfo& info, Call call) {
  auto bytes = info[0].As<Napi::Uint8Array>();
  ssize_t size;
  do {
    size = call(bytes.Data(), bytes.ByteLength());
  } while (size < 0 && errno == EINTR);
  return Napi::Number::New(info.Env(), size < 0 ? -errno : static_cast<int>(size));
}

Napi::Value number(const Napi::CallbackInfo& info, int value) { return Napi::Number::New(info.Env(), value); }

}  // namespace

Napi::Function Terminal::Define(Napi::Env env) {
  return DefineClass(env, "Terminal",
                     {
                         InstanceMethod<&Terminal::Watch>("watch"),
                         InstanceMethod<&Terminal::Read>("read"),
                         InstanceMethod<&Terminal::Write>("write"),
                         InstanceMethod<&Terminal::Resize>("resize"),
                         InstanceMethod<&Terminal::EndOfFile>("endOfFile"),
                         InstanceMethod<&Terminal::Ref>("ref"),
                         InstanceMethod<&Terminal::Unref>("unref"),
                         InstanceMethod<&Terminal::Close>("close"),
                     });
}

Terminal::Terminal(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Terminal>(info) {
  if (IsEmpty()) return;  // the environment is ending: nothing would ever free it
  const int fd = info[0].As<Napi::Number>().Int32Value();
  Descriptors::of(info.Env()).forget(fd);
  fd_.reset(fd);
  on_ready_ = Napi::Persistent(info[1].As<Napi::Function>());
  const int result = poll_.open(info.Env(), fd, [this](int events) { OnReady(events); });
  if (result == 0) return;
  Shut();
  throw_error(info.Env(), "watch a descriptor", result);
}

Terminal::~Terminal() { Shut(); }

void Terminal::Shut() {
  poll_.close();
  fd_.reset();
  on_ready_.Reset();
}

void Terminal::Watch(const Napi::CallbackInfo& info) {
  poll_.watch((info[0].As<Napi::Boolean>() ? UV_READABLE : 0) | (info[1].As<Napi::Boolean>() ? UV_WRITABLE : 0));
}

// Without events the poll has failed: to read, or to write, then tells why.
void Terminal::OnReady(int events) {
  const Napi::HandleScope scope(Env());
  napi_env env = Env();
  napi_value arguments[2] = {};
  const bool failed = events == 0;
  // when no value can be made, or no call, the environment is ending
  if (napi_get_boolean(env, failed || (events & UV_READABLE) != 0, &arguments[0]) != napi_ok) return Shut();
  if (napi_get_boolean(env, failed || (events & UV_WRITABLE) != 0, &arguments[1]) != napi_ok) return Shut();
  if (!call_back(env, Value(), on_ready_.Value(), 2, arguments)) Shut();
}

Napi::Value Terminal::Read(const Napi::CallbackInfo& info) {
  return transfer(info, [this](uint8_t* data, size_t size) { return read(fd_.get(), data, size); });
}

Napi::Value Terminal::Write(const Napi::CallbackInfo& info) {
  return transfer(info, [this](const uint8_t* data, size_t size) { return write(fd_.get(), data, size); });
}

Napi::Value Terminal::Resize(const Napi::CallbackInfo& info) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(info[0].As<Napi::Number>().Uint32Value());
  size.ws_row = static_cast<unsigned short>(info[1].As<Napi::Number>().Uint32Value());
  return number(info, ioctl(fd_.get(), TIOCSWINSZ, &size) < 0 ? -errno : 0);
}

Napi::Value Terminal::EndOfFile(const Napi::CallbackInfo& info) {
  termios settings{};
  // the master answers for the other side (pty(7))
  if (tcgetattr(fd_.get(), &settings) < 0) return number(info, -errno);
  return number(info, settings.c_cc[VEOF]);
}

void Terminal::Ref(const Napi::CallbackInfo&) { poll_.ref(); }

void Terminal::Unref(const Napi::CallbackInfo&) { poll_.unref(); }

void Terminal::Close(const Napi::CallbackInfo&) { Shut(); }

Napi::Value EnterRawMode(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  termios before{};
  if (tcgetattr(fd, &before) < 0) return number(info, -errno);
  termios raw = before;
  cfmakeraw(&raw);
  if (tcsetattr(fd, TCSANOW, &raw) < 0) return number(info, -errno);
  return {info.Env(), Napi::Buffer<uint8_t>::Copy(info.Env(), reinterpret_cast<const uint8_t*>(&before), sizeof before)};
}

Napi::Value RestoreMode(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  termios settings{};
  if (bytes.ByteLength() != sizeof settings) return number(info, -EINVAL);
  std::memcpy(&settings, bytes.Data(), sizeof settings);
  return number(info, tcsetattr(info[0].As<Napi::Number>().Int32Value(), TCSANOW, &settings) < 0 ? -errno : 0);
}

}  // namespace nacelle
