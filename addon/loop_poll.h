#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <utility>

namespace nacelle {

// A descriptor that is watched in the event loop of an environment. It keeps the loop alive only after ref().
class Poll {
 public:
  using Ready = std::function<void(int events)>;

  Poll() = default;
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  ~Poll() { close(); }

  // `fd` must stay open until close(). 0 or -errno, as where another handle of this loop has the descriptor, or no more may be watched.
  int open(napi_env env, int fd, Ready ready) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    auto handle = std::make_unique<uv_poll_t>();
    const int result = uv_poll_init(loop, handle.get(), fd);
    if (result < 0) return result;
    handle_ = handle.release();
    handle_->data = this;
    ready_ = std::move(ready);
    unref();
    return 0;
  }

  bool is_open() const { return handle_ != nullptr; }

  // `events`: UV_READABLE, UV_WRITABLE, or both.
  void watch(int events) {
    if (handle_ == nullptr) return;
    uv_poll_start(handle_, events, [](uv_poll_t* handle, int, int seen) {
      auto* poll = static_cast<Poll*>(handle->data);
      if (poll != nullptr) poll->ready_(seen);
    });
  }

  // Nothing is told before the next watch().
  void pause() {
    if (handle_ != nullptr) uv_poll_stop(handle_);
  }

  void ref() {
    if (handle_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(handle_));
  }

  void unref() {
    if (handle_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(handle_));
  }

  void close() {
    if (handle_ == nullptr) return;
    handle_->data = nullptr;
    uv_poll_stop(handle_);
    // uv owns the handle until the close callback
    uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    handle_ = nullptr;
  }

 private:
  uv_poll_t* handle_ = nullptr;
  Ready ready_;
};

}  // namespace nacelle
