#pragma once

#include <vector>

#include "protocol.h"
#include "slots.h"
#include "wire.h"

namespace nacelle {

constexpr uint32_t kMaxStages = 16;

struct Stage {
  uint64_t flags = 0;
  int32_t group = -1;
  Reader steps;
};

// The slot of the memfd with a rest of a plan that is too long for a message: the last slot that a process can have.
constexpr int32_t kRestSlot = kMaxSlots - 1;

struct Stages {
  Stage items[kMaxStages];
  uint32_t count = 0;
};

struct FileAt {
  int32_t at = -1;
  Str path;
};

template <>
inline FileAt read_item<FileAt>(Reader& reader) {
  FileAt file;
  file.at = reader.slot();
  file.path = reader.str();
  return file;
}

// A plan as it came: readers into the message's own bytes, so that a cloned child can read one too. lib/plan/plan.ts says what the fields
// mean, and lib/native/encode.ts writes them in this order.
struct Plan {
  List<int32_t> slots;  // of the descriptors that came with the plan
  uint32_t slot_count = 0;
  Reader prepare;
  Stages stages;
  Reader undo;
  List<FileAt> reports;
  List<int32_t> returns;
  bool has_kill_group = false;
  FileAt kill_group;
  uint64_t timeout_ns = 0;
  bool has_cpu_clock = false;
  FileAt cpu_counter;
  uint64_t cpu_limit_ns = 0;
  Str cpu_key;
  uint64_t cpu_unit_ns = 1;
  int signal = 9;
  uint64_t force_kill_after_ns = 0;
  // The task outlives its clients, and stays after its end until it is closed.
  bool is_kept = false;
  // It is removed at its end.
  bool auto_remove = false;
  // The task ends with its first process and leaves the others running; its client may go before.
  bool leaves_tree = false;
  FileAt evidence;  // the file that the end is written to
  Reader removal;
};

bool parse_plan(const char* body, size_t size, Plan& plan);

std::vector<int32_t> numbers(const List<int32_t>& list);

// Puts the descriptors of a message, those that came ahead of it first, into their slots. 0 or -errno.
int fill_slots(Slots& slots, const std::vector<int32_t>& numbers, std::vector<unique_fd> ahead, std::vector<unique_fd>& fds);

}  // namespace nacelle
