#include "calls.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../wire/plan.h"
#include "events.h"

namespace nacelle {
void Calls::start(const Listener& caller, Message& message, std::vector<unique_fd> ahead) {
  Call& call = calls_.emplace_back();
  call.caller = caller;
  const int result = read(call, message, std::move(ahead));
  if (result == 0) return run(call, false);
  const char* words = result == -EMFILE ? "take the descriptors" : "the call can't be read";
  refuse(call, {kInCall, 0, -result, words});
}

bool Calls::process_ended(pid_t pid) {
  for (Call& call : calls_) {
    if (call.steps.apart() != pid) continue;
    StepFailure failure;
    if (call.steps.take_end(failure) == HostSteps::Outcome::kFailed) {
      refuse(call, failure);
    } else {
      call.began_ns = monotonic_ns();
      run(call, false);
    }
    return true;
  }
  return false;
}

int Calls::read(Call& call, Message& message, std::vector<unique_fd> ahead) {
  call.sequence = Reader(message.body.data(), message.body.size()).u32();
  const int taken = call.body.take(message.body);
  if (taken < 0) return taken;
  Reader reader(call.body.data(), call.body.size());
  reader.u32();  // the sequence
  const std::vector<int32_t> slots = numbers(reader.list<int32_t>());
  const uint32_t slot_count = reader.u32();
  const uint32_t size = reader.u32();
  call.steps = HostSteps(reader.part(size), kInCall);
  call.returns = numbers(reader.list<int32_t>());
  call.began_ns = monotonic_ns();
  if (message.cut) return -EMFILE;
  if (!reader.ok() || slot_count > kMaxSlots) return -EPROTO;
  if (slot_count > context_.slots.size()) context_.slots.resize(slot_count);
  return fill_slots(context_.slots, slots, std::move(ahead), message.fds);
}

void Calls::run(Call& call, bool last_try) {
  // those of the task itself, which may still have steps before it has told of them
  std::string* const outputs = std::exchange(context_.outputs, &call.outputs);
  const uint32_t output_count = std::exchange(context_.output_count, call.output_count);
  context_.slots.note(&call.filled);
  StepFailure failure;
  const HostSteps::Outcome outcome = call.steps.run(context_, last_try, failure);
  context_.slots.note(nullptr);
  call.output_count = std::exchange(context_.output_count, output_count);
  context_.outputs = outputs;
  if (outcome == HostSteps::Outcome::kBusy) {
    call.retry.start(loop_, monotonic_ns() + kMillisecond,
                     [this, &call] { run(call, monotonic_ns() - call.began_ns >= call.steps.patience()); });
    return;
  }
  if (outcome == HostSteps::Outcome::kApart) return watch_process_(call.steps.apart());
  if (outcome == HostSteps::Outcome::kFailed) return refuse(call, failure);
  Message message;
  const int result = called_event(call.sequence, {call.output_count, call.outputs, context_.slots, call.returns}, message);
  if (result < 0) return refuse(call, {kInCall, 0, -result, "hand descriptors out"});
  tell_(call.caller, std::move(message));
  forget(call);
}

void Calls::refuse(const Call& call, const StepFailure& failure) {
  tell_(call.caller, refused_event(call.sequence, failure));
  forget(call);
}

void Calls::forget(const Call& call) {
  for (const int32_t slot : call.returns) {
    if (std::find(call.filled.begin(), call.filled.end(), slot) != call.filled.end()) context_.slots.close(slot);
  }
  calls_.remove_if([&call](const Call& item) { return &item == &call; });
}

}  // namespace nacelle
