#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <utility>

namespace nacelle {

// Something that is done after a while in the event loop of an environment, which it does not keep alive.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { close(); }

  // Before all else.
  void open(napi_env env, std::function<void()> due) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    handle_ = new uv_timer_t;
    uv_timer_init(loop, handle_);
    handle_->data = this;
    due_ = std::move(due);
    uv_unref(reinterpret_cast<uv_handle_t*>(handle_));
  }

  void start(uint64_t ms) {
    if (handle_ == nullptr) return;
    uv_timer_start(
        handle_,
        [](uv_timer_t* handle) {
          auto* timer = static_cast<Timer*>(handle->data);
          if (timer != nullptr) timer->due_();
        },
        ms, 0);
  }

  void close() {
    if (handle_ == nullptr) return;
    handle_->data = nullptr;
    uv_timer_stop(handle_);
    // uv owns the handle until the close callback
    uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
    handle_ = nullptr;
  }

 private:
  uv_timer_t* handle_ = nullptr;
  std::function<void()> due_;
};

}  // namespace nacelle
