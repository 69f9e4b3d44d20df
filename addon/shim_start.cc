#include "shim_start.h"

#include <string>
#include <utility>

#include "launch.h"

namespace nacelle {
namespace {

class Starting : public Napi::AsyncWorker {
 public:
  Starting(Napi::Env env, Launch launch) : Napi::AsyncWorker(env, "startShim"), launch_(std::move(launch)) {}

  void Execute() override { start_shim_ahead(launch_); }

 private:
  Launch launch_;
};

}  // namespace

void StartShim(const Napi::CallbackInfo& info) {
  Launch launch{info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value()};
  expect_shim();
  (new Starting(info.Env(), std::move(launch)))->Queue();  // deletes itself
}

}  // namespace nacelle
