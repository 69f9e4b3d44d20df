#include "event_counter.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "callback.h"

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
    Napi::Error error = Napi::Error::New(env, "make an eventfd");
    error.Set("errno", Napi::Number::New(env, errno));
    error.ThrowAsJavaScriptException();
    return;
  }
  on_events_ = Napi::Persistent(info[0].As<Napi::Function>());
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  poll_ = new uv_poll_t;
  uv_poll_init(loop, poll_, fd_.get());
  poll_->data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(poll_));
  uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* counter = static_cast<EventCounter*>(handle->data);
    if (counter != nullptr) counter->OnReadable();
  });
}

EventCounter::~EventCounter() { Shut(); }

void EventCounter::Shut() {
  if (poll_ != nullptr) {
    poll_->data = nullptr;
    uv_poll_stop(poll_);
    // uv owns the handle until the close callback
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    poll_ = nullptr;
  }
  fd_.reset();
  on_events_.Reset();
}

void EventCounter::OnReadable() {
  const Napi::HandleScope scope(Env());
  uint64_t count = 0;
  if (read(fd_.get(), &count, sizeof count) != sizeof count) return;
  napi_value number = nullptr;
  // what can't be made means that the environment is ending
  if (napi_create_double(Env(), static_cast<double>(count), &number) != napi_ok) return Shut();
  if (!call_back(Env(), Value(), on_events_.Value(), 1, &number)) Shut();
}

Napi::Value EventCounter::Descriptor(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

void EventCounter::Close(const Napi::CallbackInfo&) { Shut(); }

}  // namespace nacelle
