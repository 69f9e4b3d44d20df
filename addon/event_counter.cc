#include "event_counter.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "callback.h"
#include "system_error.h"

namespace nacelle {

Napi::Function EventCounter::Define(Napi::Env env) {
  return DefineClass(env, "EventCounter",
                     {
                         InstanceAccessor<&EventCounter::Descriptor>("fd"),
                         InstanceMethod<&EventCounter::Close>("close"),
                     });
}

EventCounter::EventCounter(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<EventCounter>(info), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  const Napi::Env env = info.Env();
  if (!fd_) {
    throw_error(env, "make an eventfd", -errno);
    return;
  }
  on_events_ = Napi::Persistent(info[0].As<Napi::Function>());
  const int result = poll_.open(env, fd_.get(), [this](int) { OnReadable(); });
  if (result < 0) {
    throw_error(env, "watch an eventfd", result);
    return;
  }
  poll_.watch(UV_READABLE);
}

EventCounter::~EventCounter() { Shut(); }

void EventCounter::Shut() {
  poll_.close();
  fd_.reset();
  on_events_.Reset();
}

void EventCounter::OnReadable() {
  const Napi::HandleScope scope(Env());
  uint64_t count = 0;
  if (read(fd_.get(), &count, sizeof count) != sizeof count) return;
  napi_value number = nullptr;
  // when no number can be made, the environment is ending
  if (napi_create_double(Env(), static_cast<double>(count), &number) != napi_ok) return Shut();
  if (!call_back(Env(), Value(), on_events_.Value(), 1, &number)) Shut();
}

Napi::Value EventCounter::Descriptor(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

void EventCounter::Close(const Napi::CallbackInfo&) { Shut(); }

}  // namespace nacelle
