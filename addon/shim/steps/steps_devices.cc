#include <linux/bpf.h>

#include <cstring>
#include <vector>

#include "../kernel/syscalls.h"
#include "steps.h"

// The device controller of the unified tree: a BPF program that the kernel asks before a device is opened or made
// (Documentation/admin-guide/cgroup-v2.rst, "Device controller").
namespace nacelle {
namespace {

// The most programs that can be attached to one group: the kernel's own limit (BPF_CGROUP_MAX_PROGS).
constexpr uint32_t kMaxPrograms = 64;

int sys_bpf(bpf_cmd command, bpf_attr& attributes) { return checked_int(syscall(SYS_bpf, command, &attributes, sizeof attributes)); }

uint64_t address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

int detach(int group, uint32_t id) {
  bpf_attr by_id{};
  by_id.prog_id = id;
  unique_fd program;
  const int result = opened(sys_bpf(BPF_PROG_GET_FD_BY_ID, by_id), program);
  if (result < 0) return result == -ENOENT ? 0 : result;
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(group);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  const int detached = sys_bpf(BPF_PROG_DETACH, attributes);
  return detached == -ENOENT ? 0 : detached;
}

}  // namespace

int run(Context& context, const args::load_device_filter& a) {
  const size_t count = a.program.size / sizeof(bpf_insn);
  if (count == 0 || a.program.size % sizeof(bpf_insn) != 0) return -EINVAL;
  std::vector<bpf_insn> instructions(count);  // the message's bytes may not be aligned
  std::memcpy(instructions.data(), a.program.data, a.program.size);
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = address(instructions.data());
  attributes.insn_cnt = static_cast<uint32_t>(count);
  attributes.license = address("Apache-2.0");
  std::memcpy(attributes.prog_name, "nacelle_device", sizeof "nacelle_device");
  unique_fd program;
  const int result = opened(sys_bpf(BPF_PROG_LOAD, attributes), program);
  if (result < 0) return result == -EACCES ? context.failed(result, "the kernel refuses the program") : result;
  return context.slots.put(a.out, std::move(program));
}

int run(Context& context, const args::attach_device_filter& a) {
  unique_fd group;
  const int result = opened(checked_int(openat(context.slots.get(a.group), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), group);
  if (result < 0) return result;

  uint32_t before[kMaxPrograms];
  bpf_attr query{};
  query.query.target_fd = static_cast<uint32_t>(group.get());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = address(before);
  query.query.prog_cnt = kMaxPrograms;
  const int asked = sys_bpf(BPF_PROG_QUERY, query);
  if (asked < 0) return asked;

  // the new program comes first: while both are attached, a device needs the permission of both
  bpf_attr attributes{};
  attributes.target_fd = static_cast<uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<uint32_t>(context.slots.get(a.program));
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  const int attached = sys_bpf(BPF_PROG_ATTACH, attributes);
  if (attached < 0) return attached == -EPERM ? context.failed(attached, "a group above, or this user's rights, forbid it") : attached;
  for (uint32_t i = 0; i < query.query.prog_cnt; ++i) {
    const int gone = detach(group.get(), before[i]);
    if (gone < 0) return gone;
  }
  return 0;
}

}  // namespace nacelle
